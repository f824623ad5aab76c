"""Colour changes: the operations of PIL on RGB, their order and how often they happen."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from mmwsss.datasets.transforms import RandomPhotometry
from mmwsss.datasets.transforms.random_photometry import shift_hue

IMAGE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)  # BGR
RGB = Image.fromarray(np.ascontiguousarray(IMAGE[..., ::-1]))


def apply(**options):
    return RandomPhotometry(**options)({'img': IMAGE.copy()})['img']


def bgr(image):
    return np.asarray(image)[..., ::-1]


def test_nothing_by_default():
    np.testing.assert_array_equal(apply(), IMAGE)


def photo():
    """A smooth image with detail, BGR."""
    noise = np.random.default_rng(1).normal(0, 8, (96, 128, 3))
    coarse = np.random.default_rng(2).integers(0, 256, (8, 10, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((128, 96), Image.Resampling.BICUBIC))
    return (smooth + noise).clip(0, 255).astype(np.uint8)


def test_grey_and_solarise():
    np.testing.assert_array_equal(apply(gray_prob=1.0), bgr(RGB.convert('L').convert('RGB')))
    np.testing.assert_array_equal(
        apply(solarize_prob=1.0), np.where(IMAGE < 128, IMAGE, 255 - IMAGE)
    )
    everything = ImageOps.solarize(RGB.convert('L').convert('RGB'), 100)
    np.testing.assert_array_equal(
        apply(gray_prob=1.0, solarize_prob=1.0, solarize_threshold=100), bgr(everything)
    )


@pytest.mark.parametrize('radius', [0.1, 0.5, 1.0, 2.0])
def test_blur_is_that_of_pil_up_to_its_boxes(radius):
    image = photo()
    blur = RandomPhotometry(blur_prob=1.0, blur_radius=(radius, radius))
    result = blur({'img': image.copy()})['img']
    expected = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))
    difference = np.abs(result.astype(int) - expected)
    assert difference.mean() < 0.8 and np.quantile(difference, 0.99) <= 4
    assert abs(result.std() - expected.std()) < 0.5


@pytest.mark.parametrize(
    'index, enhancer',
    enumerate([ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color]),
)
def test_one_kind_of_jitter(index, enhancer):
    jitter = [0.0, 0.0, 0.0, 0.0]
    jitter[index] = 0.4
    np.random.seed(3)
    result = apply(jitter=jitter, jitter_prob=1.0)
    np.random.seed(3)
    np.random.random()  # whether
    factors = [np.random.uniform(1 - half, 1 + half) for half in jitter[:3]]
    assert 0.6 < factors[index] < 1.4 and factors[index] != 1
    np.testing.assert_array_equal(result, bgr(enhancer(RGB).enhance(factors[index])))


def test_hue():
    image = np.ascontiguousarray(photo()[..., ::-1])
    for shift in (0.1, -0.1, 0.5):
        result = shift_hue(image, shift)
        hue, saturation, value = Image.fromarray(image).convert('HSV').split()
        turned = Image.fromarray(np.asarray(hue) + np.int16(shift * 255).astype(np.uint8))
        expected = np.asarray(Image.merge('HSV', (turned, saturation, value)).convert('RGB'))
        difference = np.abs(result.astype(int) - expected)
        # PIL rounds hue and saturation down
        assert difference.mean() < 1.5 and np.quantile(difference, 0.99) <= 8
        np.testing.assert_array_equal(result.max(2), image.max(2))  # the value stays
    np.testing.assert_array_equal(shift_hue(image, 0.0), image)


def test_probabilities():
    grey = [np.ptp(apply(gray_prob=0.2), axis=2).max() == 0 for _ in range(500)]
    assert 0.13 < np.mean(grey) < 0.27
    changed = [not np.array_equal(apply(jitter_prob=0.8), IMAGE) for _ in range(300)]
    assert 0.72 < np.mean(changed) < 0.88


@pytest.mark.parametrize(
    'options',
    [dict(blur_prob=1.1), dict(gray_prob=-1), dict(jitter=(1, 1, 1)), dict(jitter=(0, 0, 0, 0.6))],
)
def test_wrong_options(options):
    with pytest.raises(ValueError, match='RandomPhotometry'):
        RandomPhotometry(**options)
