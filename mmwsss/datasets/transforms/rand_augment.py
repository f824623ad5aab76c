"""Random augmentation with look-up tables for colour operations."""

from typing import Any

from mmwsss.registry import TRANSFORMS
from mmwsss.utils.compat import import_quietly

from .color_tables import auto_contrast, by_value, color, contrast, equalize, sharpness

auto_augment = import_quietly('mmpretrain.datasets.transforms.auto_augment')
PlainRandAugment: Any = auto_augment.RandAugment
BY_VALUE = (
    auto_augment.Brightness,
    auto_augment.Invert,
    auto_augment.Posterize,
    auto_augment.Solarize,
    auto_augment.SolarizeAdd,
)
BY_HISTOGRAM = {auto_augment.AutoContrast: auto_contrast, auto_augment.Equalize: equalize}
BY_FACTOR = {
    auto_augment.Contrast: contrast,
    auto_augment.ColorTransform: color,
    auto_augment.Sharpness: sharpness,
}


@TRANSFORMS.register_module()
class RandAugment(PlainRandAugment):
    """``mmpretrain.RandAugment``: the same operations, random numbers and pixels, in less than half
    the time.

    Pointwise operations are look-up tables of the 256 values; those that depend on histograms use
    one table per channel. Rotation, shear and translation are MMCV's. The image is (H,W,3) uint8
    BGR.

    Args:
        options: Options of MMPretrain.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Apply randomly drawn operations to ``img``."""
        for index in self.random_policy_indices():
            apply_operation(self.transforms[index], results)
        return results


def apply_operation(operation: Any, results: dict[str, Any]) -> None:
    """Apply an operation of MMPretrain to ``img``, with the random numbers that it draws."""
    kind, image = type(operation), results['img']
    if kind in BY_VALUE:
        # the operation draws its random numbers, and maps the 256 values like the pixels of the
        # image
        results['img'] = by_value(image, lambda ramp: operation(dict(img=ramp))['img'])
    elif kind in BY_HISTOGRAM:
        if not operation.random_disable():
            results['img'] = BY_HISTOGRAM[kind](image)
    elif kind in BY_FACTOR:
        if not operation.random_disable():
            fixed = operation.magnitude
            magnitude = operation.random_magnitude() if fixed is None else fixed
            results['img'] = BY_FACTOR[kind](image, 1 + operation.random_negative(magnitude))
    else:
        operation(results)
