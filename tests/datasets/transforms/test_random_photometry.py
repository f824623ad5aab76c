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


def test_grey_blur_and_solarise():
    np.testing.assert_array_equal(apply(gray_prob=1.0), bgr(RGB.convert('L').convert('RGB')))
    np.testing.assert_array_equal(
        apply(blur_prob=1.0, blur_radius=(1.5, 1.5)), bgr(RGB.filter(ImageFilter.GaussianBlur(1.5)))
    )
    np.testing.assert_array_equal(
        apply(solarize_prob=1.0), np.where(IMAGE < 128, IMAGE, 255 - IMAGE)
    )
    everything = ImageOps.solarize(
        RGB.convert('L').convert('RGB').filter(ImageFilter.GaussianBlur(1.0)), 100
    )
    np.testing.assert_array_equal(
        apply(
            gray_prob=1.0,
            blur_prob=1.0,
            blur_radius=(1.0, 1.0),
            solarize_prob=1.0,
            solarize_threshold=100,
        ),
        bgr(everything),
    )


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
    hue, *rest = RGB.convert('HSV').split()
    for shift in (0.1, -0.1, 0.5):
        turned, *same = shift_hue(RGB, shift).convert('HSV').split()
        expected = (np.asarray(hue).astype(int) + int(shift * 255)) % 256
        difference = np.abs(np.asarray(turned).astype(int) - expected)
        # of pale or dark colours it is rounded away
        strong = (np.asarray(rest[0]) > 100) & (np.asarray(rest[1]) > 100)
        assert np.minimum(difference, 256 - difference)[strong].max() <= 3
        assert np.abs(np.asarray(same[1]).astype(int) - np.asarray(rest[1])).max() <= 2
    np.testing.assert_array_equal(shift_hue(RGB, 0.0), RGB.convert('HSV').convert('RGB'))


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
