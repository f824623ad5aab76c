"""Images of a report as small pictures that a browser can recolour: photo, class activation maps,
masks and ground truth, with the scores of each image.
"""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from mmwsss.functional.confusion import confusion_matrix
from mmwsss.visualization.overlay import check_image

LAYERS = ('mask', 'seg', 'gt')
# Longest side of the pictures by the number of images, so that 300 stay below 20 MB and 1,449 below
# 30 MB, including the plotting library.
SIDES = ((60, 384), (120, 320), (300, 224), (700, 160))
SMALLEST_SIDE = 120


class ReportImages(NamedTuple):
    """Images of a report, and the pixel counts collected with them."""

    entries: list[dict[str, Any]]
    """One JSON-ready entry per image."""
    confusion: NDArray[np.int64] | None
    """(K,K) pixels by true and predicted class, of the last evaluated layer; None without masks."""


def picture_side(count: int) -> int:
    """Longest side in pixels of the pictures of a report with ``count`` images."""
    return next((side for most, side in SIDES if count <= most), SMALLEST_SIDE)


def report_images(
    samples: Iterable[Mapping[str, Any]],
    classes: Sequence[str],
    *,
    threshold: float,
    side: int,
    runs: Sequence[str] = (),
) -> ReportImages:
    """Convert samples to entries, with one sample in memory at a time.

    Args:
        samples (Iterable[dict]): See :func:`mmwsss.visualization.overlay.sample_tiles`; ``runs``
            are further label maps (h,w) by name.
        classes (Sequence[str]): Names by label, background first.
        threshold (float): Background threshold at which the maps are evaluated.
        side (int): Longest side of the pictures in pixels.
        runs (Sequence[str]): Keys of the further label maps.
    """
    entries, confusion = [], None
    for sample in samples:
        entry, counts = _entry(sample, classes, threshold, side, runs)
        entries.append(entry)
        if counts is not None:
            confusion = counts if confusion is None else confusion + counts
    return ReportImages(entries, confusion)


def _entry(
    sample: Mapping[str, Any],
    classes: Sequence[str],
    threshold: float,
    side: int,
    runs: Sequence[str],
) -> tuple[dict[str, Any], NDArray[np.int64] | None]:
    image = check_image(sample['image'])
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    labels = {
        layer: np.asarray(sample[layer])
        for layer in (*LAYERS, *runs)
        if sample.get(layer) is not None
    }
    entry: dict[str, Any] = dict(
        id=str(sample.get('id', '')), photo=_jpeg(image, size), iou={}, error={}
    )
    if sample.get('cams'):
        names = {name: label for label, name in enumerate(classes)}
        maps = np.stack([np.asarray(cam, np.float32) for _, cam in sample['cams']])
        ids = np.array([names.get(name, 0) for name, _ in sample['cams']], np.uint8)
        maps = np.clip(np.nan_to_num(maps), 0, 1)
        best, value = ids[maps.argmax(0)], maps.max(0)
        entry['cam'] = dict(
            labels=_png(best, size, Image.Resampling.NEAREST),
            scores=_png((value * 255).round().astype(np.uint8), size, Image.Resampling.BILINEAR),
        )
        if 'gt' in labels and best.shape == labels['gt'].shape:
            labels = {'cam': np.where(value > threshold, best, 0).astype(np.uint8), **labels}
    for layer, map_ in labels.items():
        if layer != 'cam':
            entry[layer] = _png(map_.astype(np.uint8), size, Image.Resampling.NEAREST)
    counts = None
    for layer in ('cam', 'mask', 'seg', *runs):
        if layer in labels and labels.get('gt', np.empty(0)).shape == labels[layer].shape:
            counts = _count(labels[layer], labels['gt'], len(classes))
            entry['iou'][layer] = _mean_iou(counts)
            entry['error'][layer] = _error(counts)
    entry['names'] = _names(sample, labels, classes)
    return entry, counts


def _count(pred: NDArray[Any], gt: NDArray[Any], num_classes: int) -> NDArray[np.int64]:
    """(K,K) pixels by true and predicted class; undecided pixels count as background."""
    counts = confusion_matrix(
        torch.from_numpy(np.ascontiguousarray(pred, np.uint8)),
        torch.from_numpy(np.ascontiguousarray(gt, np.uint8)),
        num_classes,
    )
    counts[:, 0] += counts[:, -1]
    result: NDArray[np.int64] = counts[:, :-1].numpy()
    return result


def _mean_iou(counts: NDArray[np.int64]) -> float | None:
    """Mean IoU in percent of the classes in the image or in the prediction."""
    # the diagonal, where both agree, is contained in both sums
    union = counts.sum(0) + counts.sum(1) - np.diag(counts)
    if not union.any():
        return None
    return float(100 * (np.diag(counts)[union > 0] / union[union > 0]).mean())


def _error(counts: NDArray[np.int64]) -> str:
    """The most frequent kind of error among the pixels; empty if there are no errors."""
    kinds = dict(
        missed=counts[1:, 0].sum(),
        spurious=counts[0, 1:].sum(),
        confused=counts[1:, 1:].sum() - np.diag(counts)[1:].sum(),
    )
    worst = max(kinds, key=lambda kind: kinds[kind])
    return worst if kinds[worst] else ''


def _names(
    sample: Mapping[str, Any], labels: Mapping[str, NDArray[Any]], classes: Sequence[str]
) -> list[tuple[int, str, bool]]:
    """Label, name and tag flag of every class that the image has or that occurs in a mask."""
    tags = [str(tag) for tag in sample.get('tags') or ()]
    number = {name: label for label, name in enumerate(classes)}
    found = sorted(set().union(*(np.unique(map_).tolist() for map_ in labels.values())))
    others = [
        (label, classes[label], False)
        for label in found
        if 0 < label < len(classes) and classes[label] not in tags
    ]
    return [(number.get(tag, 0), tag, True) for tag in tags] + others


def _jpeg(image: NDArray[np.uint8], size: tuple[int, int]) -> str:
    picture = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return _uri(picture, 'jpeg', quality=78)


def _png(map_: NDArray[np.uint8], size: tuple[int, int], how: Image.Resampling) -> str:
    """A label or value map as a grey picture, which the browser reads and colours."""
    return _uri(Image.fromarray(map_).resize(size, how), 'png')


def _uri(picture: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f'data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode("ascii")}'
