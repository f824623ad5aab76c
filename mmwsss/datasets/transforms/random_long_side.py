"""Random resizing by the longer side."""

from typing import Any

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomLongSide(BaseTransform):
    """Resize the image (bilinear) so that its longer side is a whole number drawn from a range; the
    ratio of the sides is kept.

    Args:
        low, high (int): Smallest and largest longer side in pixels, both included.

    Raises:
        ValueError: The range does not satisfy 1 <= low <= high.
    """

    def __init__(self, low: int, high: int) -> None:
        if not 1 <= low <= high:
            raise ValueError(
                f'RandomLongSide: sides must satisfy 1 <= low <= high, got {low} and {high}'
            )
        self.low, self.high = low, high

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resize ``img``; sets ``img_shape`` and ``scale_factor`` (width factor, height factor)."""
        if results.get('seg_fields'):
            raise ValueError(
                'RandomLongSide resizes images alone; it is for classifiers, which see no label '
                'maps'
            )
        height, width = results['img'].shape[:2]
        factor = np.random.randint(self.low, self.high + 1) / max(height, width)
        size = max(1, round(width * factor)), max(1, round(height * factor))
        results['img'] = mmcv.imresize(results['img'], size, interpolation='bilinear')
        results['img_shape'] = results['img'].shape[:2]
        results['scale_factor'] = size[0] / width, size[1] / height
        return results
