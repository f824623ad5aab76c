"""Random augmentation by tables: the pixels and random numbers of MMPretrain."""

import numpy as np
import pytest

from mmwsss.datasets.transforms.rand_augment import apply_operation
from mmwsss.registry import TRANSFORMS

from .test_random_resized_crop import photo

OPTIONS = dict(
    policies='timm_increasing',
    num_policies=2,
    total_level=10,
    magnitude_level=9,
    magnitude_std=0.5,
    hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic'),
)


def build(scope: str):
    return TRANSFORMS.build(dict(type=f'{scope}.RandAugment', _scope_='mmpretrain', **OPTIONS))


def test_a_seed_gives_the_pixels_of_mmpretrain():
    ours, plain = build('mmwsss'), build('mmpretrain')
    for seed in range(60):
        results = []
        for transform in (ours, plain):
            np.random.seed(seed)
            results.append((transform(dict(img=photo()))['img'], np.random.random()))
        (one, after_one), (two, after_two) = results
        np.testing.assert_array_equal(one, two)
        assert one.dtype == np.uint8 and after_one == after_two


@pytest.mark.parametrize('index', range(15))
@pytest.mark.parametrize('image', [photo(), np.full((12, 10, 3), 77, np.uint8)])
def test_every_operation(index, image):
    operation = build('mmwsss').transforms[index]
    operation.prob = 1.0
    for seed in range(3):
        np.random.seed(seed)
        results = dict(img=image.copy())
        apply_operation(operation, results)
        np.random.seed(seed)
        np.testing.assert_array_equal(results['img'], operation(dict(img=image.copy()))['img'])


def test_a_given_magnitude():
    operation = TRANSFORMS.build(dict(type='mmpretrain.Contrast', magnitude=0.5, prob=1.0))
    results = dict(img=photo())
    np.random.seed(0)
    apply_operation(operation, results)
    np.random.seed(0)
    np.testing.assert_array_equal(results['img'], operation(dict(img=photo()))['img'])
