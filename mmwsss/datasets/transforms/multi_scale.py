"""One image at several scales."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image

from mmwsss.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MultiScaleViews(BaseTransform):
    """Resize the image to every test scale (MCTformer+ section 4.1).

    Sets ``views``: one (h,w,3) uint8 array per scale, in the order given, h = round(H*s) and w =
    round(W*s) with halves to even, resized by PIL's bicubic filter; scale 1 is the image itself.

    Args:
        scales (Sequence[float]): Positive factors; maps of later views are resized to the size of
            the first view.

    Raises:
        ValueError: No scale is given, or one is not positive.
    """

    def __init__(self, scales: Sequence[float] = (1.0, 0.75, 1.25)) -> None:
        self.scales = tuple(scales)
        if not self.scales or min(self.scales) <= 0:
            raise ValueError(f'MultiScaleViews: scales must be positive numbers, got {scales}')

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the views to ``results``."""
        image = results['img']
        height, width = image.shape[:2]
        source = Image.fromarray(image)
        views = []
        for scale in self.scales:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            views.append(
                image
                if size == (width, height)
                else np.asarray(source.resize(size, Image.Resampling.BICUBIC))
            )
        results['views'] = views
        return results
