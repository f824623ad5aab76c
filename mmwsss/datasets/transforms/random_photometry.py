"""Colour changes of self-supervised learning."""

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from mmwsss.registry import TRANSFORMS
from mmwsss.utils.io import swap_channels


@TRANSFORMS.register_module()
class RandomPhotometry(BaseTransform):
    """Jitter, grey, blur and solarise, in this order, each with its own probability (ToCo, MCC,
    CoSA).

    The operations are those of torchvision and PIL on RGB; the image is BGR before and after. The
    geometry stays.

    Args:
        jitter (tuple[float]): Half ranges of brightness, contrast, saturation (around a factor of
            1) and hue (a shift as a part of the circle, up to 0.5); they are applied in random
            order.
        jitter_prob, gray_prob, blur_prob, solarize_prob (float): In [0,1]; 0 never.
        blur_radius (tuple[float]): Range of the radius in pixels of PIL's Gaussian blur.
        solarize_threshold (int): Grey levels from it on are inverted.

    Raises:
        ValueError: A probability outside [0,1], or a jitter out of range.
    """

    def __init__(
        self,
        *,
        jitter=(0.4, 0.4, 0.2, 0.1),
        jitter_prob=0.0,
        gray_prob=0.0,
        blur_prob=0.0,
        blur_radius=(0.1, 2.0),
        solarize_prob=0.0,
        solarize_threshold=128,
    ):
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

    def transform(self, results):
        """Change ``img``."""
        image = Image.fromarray(swap_channels(results['img']))
        if np.random.random() < self.jitter_prob:
            image = self._jitter(image)
        if np.random.random() < self.gray_prob:
            image = image.convert('L').convert('RGB')
        if np.random.random() < self.blur_prob:
            image = image.filter(ImageFilter.GaussianBlur(np.random.uniform(*self.blur_radius)))
        if np.random.random() < self.solarize_prob:
            image = ImageOps.solarize(image, self.solarize_threshold)
        results['img'] = swap_channels(np.asarray(image))
        return results

    def _jitter(self, image):
        factors = [np.random.uniform(max(0.0, 1 - half), 1 + half) for half in self.jitter[:3]]
        shift = np.random.uniform(-self.jitter[3], self.jitter[3])
        for index in np.random.permutation(4):
            if self.jitter[index] == 0:
                continue
            if index == 3:
                image = shift_hue(image, shift)
            else:
                image = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)[index](
                    image
                ).enhance(factors[index])
        return image


def shift_hue(image, shift):
    """Turn the hue of a PIL image by a part of the circle, in steps of 1/256."""
    hue, saturation, value = image.convert('HSV').split()
    # uint8: it wraps around
    hue = Image.fromarray(np.asarray(hue) + np.int16(shift * 255).astype(np.uint8))
    return Image.merge('HSV', (hue, saturation, value)).convert('RGB')
