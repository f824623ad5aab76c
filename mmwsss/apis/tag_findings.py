"""Text and pictures for the audit of tags, from the files of a data set and of its results."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmwsss.preparation.tag_audit import (
    Suspect,
    confounded_pairs,
    disagreement,
    map_overlap,
)
from mmwsss.utils.file_lookup import find_files
from mmwsss.utils.image_io import shrink
from mmwsss.utils.io import read_cam, read_mask, read_rgb
from mmwsss.visualization.overlay import draw_picture_grid, overlay_mask

MAP_SIDE = 64  # side in pixels at which maps are compared
PICTURE = 200  # side in pixels of a photo in a sheet
WORDS = dict(
    suspicious='Tags that their photos probably do not show, the most certain first. Look, and '
    'correct the table where it is wrong; an unusual view of the right thing is worth keeping.',
    missing='Tags that photos probably lack, the most certain first. An object that is there and '
    'not tagged teaches the classifier that it is background.',
    confounded='Tags that hardly occur without another one, or whose maps lie on each other. From '
    'tags alone the two cannot be told apart: add photos that show the first without the second.',
    draw='Photos in which the masks from the tags and the network disagree most. Correct the '
    'masks of these first.',
    untagged='Photos without a row in the table with the most uncertain tags: tag these first.',
)


def map_overlaps(
    cams: str | Path, ids: Sequence[str], tags: NDArray[np.bool_]
) -> dict[tuple[int, int], float]:
    """Mean overlap of the maps of each pair of tags, over the photos that have both.

    Args:
        cams: Folder of CAM files.
        ids: N image ids.
        tags: (N,C).
    """
    sums: dict[tuple[int, int], list[float]] = {}
    chosen = [name for name, row in zip(ids, tags) if row.sum() > 1]
    for file in find_files(cams, chosen, ('.npz',), what='CAM file'):
        content = read_cam(file)
        maps = {
            int(key): cv2.resize(cam.astype(np.float32), (MAP_SIDE, MAP_SIDE))
            for key, cam in zip(content.keys, content.cam)
        }
        for one, two in combinations(sorted(maps), 2):
            sums.setdefault((one, two), []).append(map_overlap(maps[one], maps[two]))
    return {pair: float(np.mean(values)) for pair, values in sums.items()}


def disagreements(
    masks: str | Path, predictions: str | Path, ids: Sequence[str]
) -> list[tuple[int, float]]:
    """Row and :func:`~mmwsss.preparation.tag_audit.disagreement` of each photo, in descending
    order.

    Args:
        masks: Folder of pseudo masks.
        predictions: Folder of the masks of a network.
        ids: Image ids.
    """
    pairs = zip(
        find_files(masks, ids, ('.png',), what='mask'),
        find_files(predictions, ids, ('.png',), what='prediction'),
    )
    values = [disagreement(read_mask(one), read_mask(two)) for one, two in pairs]
    return sorted(enumerate(values), key=lambda entry: (-entry[1], entry[0]))


def suspect_rows(
    suspects: Sequence[Suspect], ids: Sequence[str], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Photo, tag and scores of each suspect."""
    return [
        dict(
            photo=ids[entry.photo],
            tag=names[entry.tag],
            score=round(entry.score, 3),
            typical=round(entry.typical, 3),
        )
        for entry in suspects
    ]


def pair_rows(
    tags: NDArray[np.bool_], names: Sequence[str], overlaps: Mapping[tuple[int, int], float]
) -> list[dict[str, Any]]:
    """Confounded pairs with their names."""
    return [
        dict(
            tag=names[pair.tag],
            other=names[pair.other],
            photos=pair.photos,
            with_other=pair.both,
            without_other=pair.photos - pair.both,
            overlap=None if pair.overlap is None else round(pair.overlap, 3),
        )
        for pair in confounded_pairs(tags, overlaps)
    ]


def contact_sheet(
    rows: Sequence[Mapping[str, Any]],
    files: Mapping[str, str | Path],
    masks: Mapping[str, str | Path] | None = None,
) -> NDArray[np.uint8]:
    """Picture (H,W,3) with a row per photo that shows the photo and its masks.

    Args:
        rows: Rows with ``photo`` and, optionally, ``tag``.
        files: File of each photo.
        masks: Title -> folder of masks.
    """
    masks = masks or {}
    lines = []
    for row in rows:
        image = shrink(read_rgb(files[row['photo']]), 2 * PICTURE)
        drawn = []
        for folder in masks.values():
            (path,) = find_files(folder, [row['photo']], ('.png',), what='mask')
            drawn.append(overlay_mask(image, read_mask(path)))
        name = f'{row["photo"]}: {row["tag"]}?' if 'tag' in row else row['photo']
        lines.append((name, [image, *drawn]))
    return draw_picture_grid(['photo', *masks], lines, cell=PICTURE)


def finding_sentences(content: Mapping[str, Any]) -> Iterator[tuple[str, str, str, list[str]]]:
    """Key, heading, explanation and one sentence per entry for all findings of an audit.

    Args:
        content: Content of ``audit.json``.
    """
    texts = dict(
        suspicious=lambda row: _suspect_sentence(row, 'is tagged'),
        missing=lambda row: _suspect_sentence(row, 'is not tagged'),
        confounded=_pair_sentence,
        draw=lambda row: f'{row["photo"]}: disagreement {row["score"]:.2f}',
        untagged=lambda row: f'{row["photo"]}: uncertainty {row["score"]:.2f} bits per tag',
    )
    headings = dict(
        suspicious='Suspicious tags',
        missing='Missing tags',
        confounded='Confounded tags',
        draw='Photos to correct next',
        untagged='Photos to tag next',
    )
    for key, heading in headings.items():
        rows = content.get(key)
        if rows:
            yield key, heading, WORDS[key], [texts[key](row) for row in rows]


def _suspect_sentence(row: Mapping[str, Any], words: str) -> str:
    return (
        f'{row["photo"]} {words} {row["tag"]}, which scores {row["score"]:.2f} (photos with the '
        f'tag: {row["typical"]:.2f} on average)'
    )


def _pair_sentence(row: Mapping[str, Any]) -> str:
    text = (
        f'{row["with_other"]} of {row["photos"]} photos of {row["tag"]} also show {row["other"]}; '
        f'{row["without_other"]} do not'
    )
    if row['overlap'] is not None:
        text += f'; their maps overlap by {row["overlap"]:.0%}'
    return text
