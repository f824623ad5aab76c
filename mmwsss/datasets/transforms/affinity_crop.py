"""Random crop of image, CRF maps and label maps, padded where they are smaller."""

from functools import lru_cache
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS


@lru_cache(maxsize=8)
def _blank(shape: tuple[int, ...], dtype: str, padding: Any) -> np.ndarray:
    """Array of ``padding``; copying it takes a tenth of the time of filling an array with
    colours.
    """
    return np.full(shape, padding, dtype)


@TRANSFORMS.register_module()
class AffinityCrop(BaseTransform):
    """Random crop of image, maps and labels; images smaller than the crop are placed in it at
    random and padded.

    Sets ``img_box``, the part of the crop that the image covers: y0, y1, x0, x1, ends exclusive.

    Args:
        crop_size (tuple[int]): (H,W) of the result.
        img_pad (float | Sequence[float]): Grey level outside the image, per BGR channel or for all.
            PSA pads with 0 before normalisation; IRN pads with 0 after it, i.e. with the mean.
        seg_pad (int): Value of maps and labels outside: 0 for CRF maps (ignored cells), 255 for
            label maps.

    Raises:
        ValueError: A side is below 1.
    """

    def __init__(self, crop_size: tuple[int, int], *, img_pad: Any = 0, seg_pad: int = 0) -> None:
        self.crop_size = tuple(crop_size)
        if len(self.crop_size) != 2 or min(self.crop_size) < 1:
            raise ValueError(
                f'AffinityCrop: crop_size must be two positive sides (H,W), got {crop_size}'
            )
        self.img_pad = img_pad
        self.seg_pad = seg_pad

    def transform(self, results: dict) -> dict:
        """Crop the entries of ``results``."""
        (rows, columns), places = zip(*self.spans(results['img'].shape[:2]))
        results['img'] = self.place(results['img'][rows, columns], places, self.img_pad)
        for key in results.get('seg_fields', ()):
            results[key] = self.place(results[key][rows, columns], places, self.seg_pad)
        self.describe(results, places)
        return results

    def spans(self, size: tuple[int, int]) -> list[tuple[slice, slice]]:
        """Random part of the rows and columns of an image (H,W), and its position in the crop."""
        spans = []
        for side, target in zip(size, self.crop_size):
            shift = np.random.randint(0, abs(side - target) + 1)
            start, place = (shift, 0) if side > target else (0, shift)
            length = min(side, target)
            spans.append((slice(start, start + length), slice(place, place + length)))
        return spans

    def place(self, part: np.ndarray, places: tuple[slice, slice], padding: Any) -> np.ndarray:
        """The crop with ``part`` at ``places`` (rows, columns), surrounded by ``padding``."""
        shape = (*self.crop_size, *part.shape[2:])
        if part.shape == shape:
            return np.ascontiguousarray(part)
        colors = padding if isinstance(padding, (int, float)) else tuple(padding)
        window = _blank(shape, part.dtype.str, colors).copy()
        window[places] = part
        return window

    def describe(self, results: dict, places: tuple[slice, slice]) -> None:
        """Set ``img_shape`` and ``img_box``."""
        rows, columns = places
        results['img_shape'] = self.crop_size
        results['img_box'] = rows.start, rows.stop, columns.start, columns.stop
