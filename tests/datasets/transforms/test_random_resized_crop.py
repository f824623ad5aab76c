"""Resized crops: MMPretrain's crops, Pillow's filters."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.transforms import RandomResizedCrop
from mmwsss.datasets.transforms.random_resized_crop import resize_bytes
from mmwsss.registry import TRANSFORMS


def photo(size: tuple[int, int] = (90, 120)) -> np.ndarray:
    """A smooth image with detail."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    smooth = np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC))
    return (smooth + rng.normal(0, 8, smooth.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize('interpolation', ['bilinear', 'bicubic'])
@pytest.mark.parametrize('size', [(200, 160), (40, 56), (33, 200)])
def test_the_filter_is_that_of_pillow(interpolation, size):
    resized = resize_bytes(photo(), size, interpolation)
    kind = Image.Resampling[interpolation.upper()]
    expected = np.asarray(Image.fromarray(photo()).resize(size[::-1], kind))
    difference = np.abs(resized.astype(int) - expected)
    assert resized.shape == (*size, 3) and resized.flags.c_contiguous
    assert difference.max() <= 2 and (difference > 1).mean() < 0.01
    assert (difference > 0).mean() < (0.02 if min(size) > 120 else 0.2)
    assert abs(resized.mean() - expected.mean()) < 0.02
    assert resized.std() == pytest.approx(expected.std(), rel=1e-3)


def test_a_seed_gives_the_crop_of_mmpretrain():
    options = dict(scale=64, crop_ratio_range=(0.1, 1.0), interpolation='bicubic')
    plain = TRANSFORMS.build(dict(type='mmpretrain.RandomResizedCrop', backend='pillow', **options))
    ours = RandomResizedCrop(**options)
    for seed in range(10):
        results = []
        for transform in (ours, plain):
            np.random.seed(seed)
            results.append((transform(dict(img=photo())), np.random.random()))
        (one, after_one), (two, after_two) = results
        assert one['img_shape'] == two['img_shape'] == (64, 64, 3) and after_one == after_two
        assert np.abs(one['img'].astype(int) - two['img']).max() <= 2


def test_other_interpolations_are_refused():
    with pytest.raises(ValueError, match="must be 'bilinear' or 'bicubic', got 'lanczos'"):
        RandomResizedCrop(64, interpolation='lanczos')
