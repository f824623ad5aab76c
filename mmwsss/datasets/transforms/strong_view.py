"""One random photometric operation, the strong view of CoSA."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageEnhance, ImageOps

from mmwsss.registry import TRANSFORMS
from mmwsss.utils.io import swap_channels

ENHANCERS = dict(
    color=ImageEnhance.Color,
    contrast=ImageEnhance.Contrast,
    brightness=ImageEnhance.Brightness,
    sharpness=ImageEnhance.Sharpness,
)
OPERATIONS = ('identity', 'autocontrast', 'equalize', 'solarize', *ENHANCERS, 'posterize')


@TRANSFORMS.register_module()
class StrongView(BaseTransform):
    """Apply one of nine photometric operations at a random magnitude to ``img`` (BGR); the geometry
    does not change (CoSA).

    Args:
        operations (Sequence[str]): Operations to choose from, with equal probability.
        max_magnitude (int): Magnitudes are drawn from 1..max_magnitude; at most 9.

    Raises:
        ValueError: An operation is unknown, there is none, or the magnitude is out of range.
    """

    def __init__(self, *, operations: Sequence[str] = OPERATIONS, max_magnitude: int = 9) -> None:
        unknown = set(operations) - set(OPERATIONS)
        if unknown or not operations:
            raise ValueError(
                f'StrongView: operations must be some of {OPERATIONS}, got {tuple(operations)}'
            )
        if not 1 <= max_magnitude <= 9:
            raise ValueError(f'StrongView: max_magnitude must be 1..9, got {max_magnitude}')
        self.operations, self.max_magnitude = tuple(operations), max_magnitude

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``img``."""
        operation = self.operations[np.random.randint(len(self.operations))]
        magnitude = int(np.random.randint(1, self.max_magnitude + 1))
        image = Image.fromarray(swap_channels(results['img']))
        image = apply_operation(image, operation, magnitude)
        results['img'] = swap_channels(np.asarray(image))
        return results


def apply_operation(image: Image.Image, operation: str, magnitude: int) -> Image.Image:
    """One operation on a PIL image in RGB.

    Args:
        image (PIL.Image.Image): RGB image.
        operation (str): One of :data:`OPERATIONS`.
        magnitude (int): 1..9: factors of enhancers are 0.18 m + 0.1, solarize inverts values of at
            least 25.6 m, posterize keeps 4 - int(0.4 m) bits.

    Returns:
        PIL.Image.Image
    """
    if operation in ENHANCERS:
        return ENHANCERS[operation](image).enhance(0.18 * magnitude + 0.1)
    if operation == 'solarize':
        return ImageOps.solarize(image, min(int(25.6 * magnitude), 255))
    if operation == 'posterize':
        return ImageOps.posterize(image, 4 - int(0.4 * magnitude))
    if operation == 'autocontrast':
        return ImageOps.autocontrast(image)
    return ImageOps.equalize(image) if operation == 'equalize' else image
