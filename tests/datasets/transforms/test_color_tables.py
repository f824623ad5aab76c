"""Colour operations by tables, against those of MMCV."""

import mmcv
import numpy as np
import pytest

from mmwsss.datasets.transforms import color_tables

from .test_random_resized_crop import photo


@pytest.mark.parametrize('factor', [0.1, 0.73, 1.0, 1.9])
@pytest.mark.parametrize('name', ['brightness', 'contrast', 'color', 'sharpness'])
def test_factors(name, factor):
    image = photo((31, 47))
    expected = getattr(mmcv, f'adjust_{name}')(image, factor)
    np.testing.assert_array_equal(getattr(color_tables, name)(image, factor), expected)


@pytest.mark.parametrize('name', ['auto_contrast', 'imequalize'])
def test_histograms(name):
    ours = getattr(color_tables, name.removeprefix('im'))
    for image in (photo(), photo() // 3 + 40, np.zeros((4, 5, 3), np.uint8)):
        np.testing.assert_array_equal(ours(image), getattr(mmcv, name)(image))
