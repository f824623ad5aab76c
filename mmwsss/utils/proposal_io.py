"""Mask proposals of any generator in one file per image: COCO run lengths in JSON, or ``.npz``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmwsss.utils.arrays import read_arrays
from mmwsss.utils.io import read_json
from mmwsss.utils.names import output_path
from mmwsss.utils.run_lengths import decode_runs

SUFFIXES = ('.json', '.npz')


def find_proposals(folder: str | Path, img_id: str) -> Path:
    """File with the proposals of an image.

    Raises:
        FileNotFoundError: The image has no file. The message names the expected files.
    """
    for suffix in SUFFIXES:
        path = output_path(folder, img_id, suffix)
        if path.is_file():
            return path
    raise FileNotFoundError(
        f'{Path(folder) / img_id}: no proposals; expected .json (a list of masks with "size" and '
        f'"counts", or of objects with such a "segmentation") or .npz (masks (N,H,W))'
    )


def read_proposals(path: str | Path, size: tuple[int, int]) -> Iterator[NDArray[np.bool_]]:
    """Masks of a proposal file, one by one.

    Args:
        path (str | Path): JSON: a list whose elements are run lengths ``{"size": [H, W], "counts":
            ...}`` or contain one as ``segmentation``, as written by Segment Anything's automatic
            mask generator. NPZ: ``masks`` (N,H,W), bool or 0/1.
        size (tuple): (H,W) of the image.

    Yields:
        array: (H,W) bool.

    Raises:
        ValueError: The file is damaged, or its masks have another size. The message names the file.
    """
    path = Path(path)
    if path.suffix == '.npz':
        masks = read_arrays(path, ('masks',), 'proposal file', 'make it again')['masks']
        if masks.ndim != 3 or masks.shape[1:] != size or masks.dtype.kind not in 'biu':
            raise ValueError(
                f'{path}: masks of shape {masks.shape} and type {masks.dtype}, expected bool or '
                f'0/1 of its image, {size}'
            )
        yield from (mask.astype(bool) for mask in masks)
        return
    content = read_json(path)
    if not isinstance(content, list):
        raise ValueError(f'{path}: expected a list of masks')
    for number, entry in enumerate(content):
        yield _decode(entry, f'{path}, mask {number}', size)


def _decode(entry: Any, where: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """One mask from its run lengths."""
    try:
        return decode_runs(
            entry.get('segmentation', entry) if isinstance(entry, dict) else None, size
        )
    except ValueError as error:
        raise ValueError(f'{where}: {error}') from error
