"""Colour jitter by tables: the pixels and random numbers of MMPretrain."""

import numpy as np
import pytest

from mmwsss.datasets.transforms import ColorJitter
from mmwsss.registry import TRANSFORMS

from .test_random_resized_crop import photo


@pytest.mark.filterwarnings("ignore:Only use 'alpha'")
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize(
    'options',
    [
        dict(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
        dict(brightness=0.4, contrast=(0.5, 0.8)),
        dict(saturation=1.0),
    ],
)
def test_a_seed_gives_the_pixels_of_mmpretrain(backend, options):
    ours = ColorJitter(backend=backend, **options)
    plain = TRANSFORMS.build(dict(type='mmpretrain.ColorJitter', backend=backend, **options))
    for seed in range(8):
        results = []
        for transform in (ours, plain):
            np.random.seed(seed)
            results.append((transform(dict(img=photo()))['img'], np.random.random()))
        (one, after_one), (two, after_two) = results
        np.testing.assert_array_equal(one, two)
        assert after_one == after_two


def test_other_backends_are_refused():
    with pytest.raises(ValueError, match="backend must be 'pillow' or 'cv2', got 'torch'"):
        ColorJitter(backend='torch')
