"""Colour jitter with look-up tables for brightness and contrast."""

from typing import Any

import mmcv
import numpy as np
from PIL import Image, ImageEnhance

from mmwsss.registry import TRANSFORMS
from mmwsss.utils.compat import import_quietly
from mmwsss.utils.io import swap_channels

from . import color_tables
from .random_photometry import blend_with_grey, mean_grey

PlainColorJitter: Any = import_quietly('mmpretrain.datasets.transforms.processing').ColorJitter


@TRANSFORMS.register_module()
class ColorJitter(PlainColorJitter):
    """``mmpretrain.ColorJitter``: the same random numbers and pixels, two to three times faster.

    Args:
        brightness, contrast, saturation, hue: As in MMPretrain.
        backend (str): ``'pillow'`` or ``'cv2'``, whose rounding is reproduced.

    Raises:
        ValueError: The backend is unknown.
    """

    def __init__(self, *, backend: str = 'pillow', **options: Any) -> None:
        if backend not in ('pillow', 'cv2'):
            raise ValueError(f"ColorJitter: backend must be 'pillow' or 'cv2', got {backend!r}")
        super().__init__(backend=backend, **options)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``img`` (H,W,3) uint8 BGR."""
        order, *factors = self._rand_params()
        change = _by_opencv if self.backend == 'cv2' else _by_pillow
        image = results['img'] if self.backend == 'cv2' else swap_channels(results['img'])
        for index in order:
            if factors[index] is not None:
                image = change(image, index, factors[index])
        results['img'] = image if self.backend == 'cv2' else swap_channels(image)
        return results


def _by_opencv(image: np.ndarray, index: int, factor: float) -> np.ndarray:
    """Operation ``index`` (brightness, contrast, saturation, hue) on a BGR image."""
    if index == 3:
        return mmcv.adjust_hue(image, factor, backend='cv2')
    changes = (color_tables.brightness, color_tables.contrast, color_tables.color)
    return changes[index](image, factor)


def _by_pillow(image: np.ndarray, index: int, factor: float) -> np.ndarray:
    """Operation ``index`` on an RGB image."""
    if index == 3:
        return swap_channels(mmcv.adjust_hue(swap_channels(image), factor, backend='pillow'))
    if index == 2:
        return np.asarray(ImageEnhance.Color(Image.fromarray(image)).enhance(factor))
    return blend_with_grey(image, 0 if index == 0 else mean_grey(image), factor)
