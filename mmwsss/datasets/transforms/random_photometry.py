"""Colour changes of self-supervised learning."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageEnhance, ImageStat

from mmwsss.registry import TRANSFORMS
from mmwsss.utils.io import swap_channels


@TRANSFORMS.register_module()
class RandomPhotometry(BaseTransform):
    """Jitter, grey, blur and solarise, in this order, each with its own probability (ToCo, MCC,
    CoSA).

    The operations are those of torchvision and PIL on RGB; the image is BGR before and after. The
    geometry does not change. Brightness, contrast, saturation, grey and solarise give the pixels of
    PIL; hue and blur use OpenCV, which is ten times faster: PIL rounds hues down and blurs with
    three box filters.

    Args:
        jitter (tuple[float]): Half ranges of brightness, contrast, saturation (around a factor of
            1) and hue (a shift as a fraction of the colour circle, up to 0.5); they are applied in
            random order.
        jitter_prob, gray_prob, blur_prob, solarize_prob (float): Probabilities in [0,1]; 0 disables
            the operation.
        blur_radius (tuple[float]): Range of the standard deviation of the Gaussian blur, in pixels.
        solarize_threshold (int): Grey levels at or above it are inverted.

    Raises:
        ValueError: A probability is outside [0,1], or a jitter is out of range.
    """

    def __init__(
        self,
        *,
        jitter: Sequence[float] = (0.4, 0.4, 0.2, 0.1),
        jitter_prob: float = 0.0,
        gray_prob: float = 0.0,
        blur_prob: float = 0.0,
        blur_radius: Sequence[float] = (0.1, 2.0),
        solarize_prob: float = 0.0,
        solarize_threshold: int = 128,
    ) -> None:
        for name, prob in (
            ('jitter_prob', jitter_prob),
            ('gray_prob', gray_prob),
            ('blur_prob', blur_prob),
            ('solarize_prob', solarize_prob),
        ):
            if not 0 <= prob <= 1:
                raise ValueError(f'RandomPhotometry: {name} must be between 0 and 1, got {prob}')
        if len(jitter) != 4 or min(jitter) < 0 or jitter[3] > 0.5:
            raise ValueError(
                f'RandomPhotometry: jitter must be four numbers >= 0, the last at most 0.5, got '
                f'{jitter}'
            )
        self.jitter, self.jitter_prob, self.gray_prob = tuple(jitter), jitter_prob, gray_prob
        self.blur_prob, self.blur_radius = blur_prob, tuple(blur_radius)
        self.solarize_prob, self.solarize_threshold = solarize_prob, solarize_threshold

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``img``."""
        image = swap_channels(results['img'])
        if np.random.random() < self.jitter_prob:
            image = self._jitter(image)
        if np.random.random() < self.gray_prob:
            image = np.asarray(Image.fromarray(image).convert('L').convert('RGB'))
        if np.random.random() < self.blur_prob:
            image = cv2.GaussianBlur(
                image,
                (0, 0),
                np.random.uniform(self.blur_radius[0], self.blur_radius[1]),
                borderType=cv2.BORDER_REPLICATE,
            )
        if np.random.random() < self.solarize_prob:
            table = np.arange(256, dtype=np.uint8)
            image = cv2.LUT(image, np.where(table < self.solarize_threshold, table, 255 - table))
        results['img'] = swap_channels(image)
        return results

    def _jitter(self, image: np.ndarray) -> np.ndarray:
        factors = [np.random.uniform(max(0.0, 1 - half), 1 + half) for half in self.jitter[:3]]
        shift = np.random.uniform(-self.jitter[3], self.jitter[3])
        for index in np.random.permutation(4):
            if self.jitter[index] == 0:
                continue
            if index == 3:
                image = shift_hue(image, shift)
            elif index == 2:
                enhancer = ImageEnhance.Color(Image.fromarray(image))
                image = np.asarray(enhancer.enhance(factors[index]))
            else:
                image = blend_with_grey(
                    image, 0 if index == 0 else mean_grey(image), factors[index]
                )
        return image


def mean_grey(image: np.ndarray) -> int:
    """Mean grey level of an RGB image (H,W,3), rounded, to which PIL's contrast is relative."""
    grey = Image.fromarray(image).convert('L')
    return int(ImageStat.Stat(grey).mean[0] + 0.5)


def blend_with_grey(image: np.ndarray, grey: int, factor: float) -> np.ndarray:
    """PIL's brightness (``grey`` 0) and contrast (:func:`mean_grey`) of (H,W,3), by a table of the
    256 values.
    """
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    table = np.asarray(Image.blend(Image.new('L', ramp.size, grey), ramp, factor))[0]
    return cv2.LUT(image, table)


def shift_hue(image: np.ndarray, shift: float) -> np.ndarray:
    """Shift the hue of an RGB image (H,W,3) by a fraction of the circle, in steps of 1/256."""
    step = int(shift * 255) % 256
    if step == 0:
        return image
    planes = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    planes[..., 0] += np.uint8(step)  # wraps around
    return cv2.cvtColor(planes, cv2.COLOR_HSV2RGB_FULL)
