"""Random scaling relative to the size of the image."""

from collections.abc import Sequence
from typing import Any

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomScale(BaseTransform):
    """Resize image (bilinear) and label maps (nearest) by a factor drawn from a range; the aspect
    ratio is kept up to rounding.

    The factor is relative to the image, while ``RandomResize`` of MMCV needs one base size for all
    images. Sets ``img_shape`` and ``scale_factor`` (width factor, height factor).

    Args:
        ratio_range (tuple[float], optional): Smallest and largest factor, drawn uniformly between
            them.
        ratios (Sequence[float], optional): Factors of which one is drawn, instead of a range.
        backend (str): ``'cv2'`` interpolates between pixels, ``'pillow'`` averages over them when
            downscaling.
        truncate (bool): Truncate the new sides to whole pixels instead of rounding them.

    Raises:
        ValueError: The range does not satisfy 0 < smallest <= largest, or not exactly one of the
            first two arguments is given.
    """

    def __init__(
        self,
        ratio_range: Sequence[float] | None = None,
        *,
        ratios: Sequence[float] | None = None,
        backend: str = 'cv2',
        truncate: bool = False,
    ) -> None:
        if (ratio_range is None) == (ratios is None):
            raise ValueError('RandomScale needs either ratio_range or ratios')
        if ratios is not None and (not ratios or min(ratios) <= 0):
            raise ValueError(f'RandomScale: ratios must be positive numbers, got {ratios}')
        self.ratios, self.backend, self.truncate = ratios, backend, truncate
        self.low: Any = None
        self.high: Any = None
        if ratio_range is not None:
            self.low, self.high = ratio_range
        if ratio_range is not None and not 0 < self.low <= self.high:
            raise ValueError(
                f'RandomScale: ratio_range must satisfy 0 < low <= high, got {ratio_range}'
            )

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resize the entries of ``results``."""
        factor = (
            np.random.uniform(self.low, self.high)
            if self.ratios is None
            else np.random.choice(self.ratios)
        )
        height, width = results['img'].shape[:2]
        size = tuple(
            max(1, int(side * factor) if self.truncate else round(side * factor))
            for side in (width, height)
        )
        results['img'] = mmcv.imresize(
            results['img'], size, interpolation='bilinear', backend=self.backend
        )
        for key in results.get('seg_fields', ()):
            results[key] = mmcv.imresize(results[key], size, interpolation='nearest')
        results['img_shape'] = results['img'].shape[:2]
        results['scale_factor'] = size[0] / width, size[1] / height
        return results
