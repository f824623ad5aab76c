"""The strong view of CoSA against the released operations."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.transforms import StrongView
from mmwsss.datasets.transforms.strong_view import OPERATIONS, apply_operation
from tests.golden_tensors import golden_tensors

NAMES = dict(
    identity='Identity',
    autocontrast='AutoContrast',
    equalize='RandEqualize',
    solarize='RandSolarize',
    color='RandColor',
    contrast='RandContrast',
    brightness='RandBrightness',
    sharpness='RandSharpness',
    posterize='RandPosterize',
)


@pytest.mark.parametrize('operation', OPERATIONS)
def test_operations(operation):
    golden = golden_tensors('cosa_core', 'ra_')
    image = Image.fromarray(golden['img'].numpy())
    for magnitude, expected in enumerate(golden[NAMES[operation]].numpy(), 1):
        np.testing.assert_array_equal(
            np.asarray(apply_operation(image, operation, magnitude)), expected
        )


def test_colours_are_in_bgr_order():
    image = np.random.default_rng(0).integers(0, 256, (6, 7, 3), np.uint8)
    assert np.array_equal(StrongView(operations=['identity'])(dict(img=image))['img'], image)
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 2] = 200
    faded = StrongView(operations=['color'], max_magnitude=1)(dict(img=red))['img']
    # towards the grey of red, 60; that of blue is 23
    np.testing.assert_allclose(faded[0, 0], [43, 43, 99], atol=1)


def test_every_operation_is_drawn():
    np.random.seed(0)
    image = np.random.default_rng(0).integers(30, 200, (8, 8, 3), np.uint8)
    results = {StrongView()(dict(img=image.copy()))['img'].tobytes() for _ in range(300)}
    assert len(results) > 40


@pytest.mark.parametrize(
    'options', [dict(operations=['rotate']), dict(operations=[]), dict(max_magnitude=10)]
)
def test_options(options):
    with pytest.raises(ValueError, match='StrongView'):
        StrongView(**options)
