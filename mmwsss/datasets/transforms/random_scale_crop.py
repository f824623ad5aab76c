"""Random scale, flip and crop that only compute the pixels of the crop."""

from typing import Any

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image

from mmwsss.registry import TRANSFORMS

from .affinity_crop import AffinityCrop
from .random_scale import RandomScale


@TRANSFORMS.register_module()
class RandomScaleCrop(BaseTransform):
    """:class:`RandomScale` by Pillow, a random flip and :class:`AffinityCrop` in one.

    Only the part of the enlarged image that the crop shows is interpolated. Random numbers are
    drawn in the order of the three transforms, so that the same seed gives the same crop; Pillow
    represents the part in float32, which changes about 1 % of the pixels by one or two grey levels.
    Label maps are resized by nearest neighbour. Sets the same entries as the three transforms:
    ``img_shape``, ``scale_factor``, ``flip``, ``flip_direction`` and ``img_box``.

    Args:
        ratio_range (tuple[float]): Smallest and largest factor, drawn uniformly between them.
        crop_size (tuple[int]): (H,W) of the result.
        flip_prob (float): Probability of a horizontal flip.
        img_pad, seg_pad: See :class:`AffinityCrop`.

    Raises:
        ValueError: The range does not satisfy 0 < smallest <= largest, the probability is outside
            [0,1], or a side is below 1.
    """

    def __init__(
        self,
        ratio_range: tuple[float, float],
        crop_size: tuple[int, int],
        *,
        flip_prob: float = 0.5,
        img_pad: Any = 0,
        seg_pad: int = 0,
    ) -> None:
        scale = RandomScale(ratio_range)
        self.low, self.high = scale.low, scale.high
        self.crop = AffinityCrop(crop_size, img_pad=img_pad, seg_pad=seg_pad)
        if not 0 <= flip_prob <= 1:
            raise ValueError(f'RandomScaleCrop: flip_prob must be between 0 and 1, got {flip_prob}')
        self.flip_prob = flip_prob

    def transform(self, results: dict) -> dict:
        """Change the entries of ``results``."""
        factor = np.random.uniform(self.low, self.high)
        height, width = results['img'].shape[:2]
        scaled = max(1, int(height * factor)), max(1, int(width * factor))
        flip = bool(np.random.choice([1, 0], p=[self.flip_prob, 1 - self.flip_prob]))
        (rows, columns), places = zip(*self.crop.spans(scaled))
        if flip:  # columns of the image before the flip
            columns = slice(scaled[1] - columns.stop, scaled[1] - columns.start)
        results['img'] = self._put(
            _resized_part(results['img'], scaled, rows, columns), places, flip, self.crop.img_pad
        )
        for key in results.get('seg_fields', ()):
            resized = mmcv.imresize(results[key], scaled[::-1], interpolation='nearest')
            results[key] = self._put(resized[rows, columns], places, flip, self.crop.seg_pad)
        self.crop.describe(results, places)
        results['scale_factor'] = scaled[1] / width, scaled[0] / height
        results['flip'] = flip
        results['flip_direction'] = 'horizontal' if flip else None
        return results

    def _put(self, part: np.ndarray, places: tuple, flip: bool, padding: Any) -> np.ndarray:
        return self.crop.place(part[:, ::-1] if flip else part, places, padding)


def _resized_part(
    image: np.ndarray, scaled: tuple[int, int], rows: slice, columns: slice
) -> np.ndarray:
    """Rows and columns of the image resized to ``scaled`` (H,W) by Pillow (bilinear)."""
    vertical, horizontal = image.shape[0] / scaled[0], image.shape[1] / scaled[1]
    if (rows.stop - rows.start, columns.stop - columns.start) == scaled:
        box = None
    else:
        box = (
            columns.start * horizontal,
            rows.start * vertical,
            min(columns.stop * horizontal, image.shape[1]),
            min(rows.stop * vertical, image.shape[0]),
        )
    size = columns.stop - columns.start, rows.stop - rows.start
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, box=box))
