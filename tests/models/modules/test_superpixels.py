"""Partitions of images."""

import pytest
import torch

from mmwsss.models.modules import Superpixels

pytest.importorskip('skimage')


def two_halves(size=(48, 64), edge=40):
    """An image with one vertical edge."""
    image = torch.zeros(3, *size, dtype=torch.uint8)
    image[:, :, edge:] = 200
    return image


def test_slic_has_superpixels_of_the_size():
    ids = Superpixels('slic', size=100)(two_halves())
    assert ids.shape == (48, 64) and ids.min() == 0 and 12 <= int(ids.max()) + 1 <= 60


def test_felzenszwalb_follows_the_edge():
    ids = Superpixels()(two_halves())
    assert len(ids.unique()) < 16 and ids[0, 30] != ids[0, 50]


def test_smallest_superpixel():
    image = torch.randint(256, (3, 40, 50), generator=torch.manual_seed(0)).byte()
    areas = [Superpixels(min_size=size)(image).flatten().bincount() for size in (5, 200)]
    assert areas[0].min() >= 5 and areas[1].min() >= 200 and len(areas[0]) > len(areas[1])


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(method='watershed'), "must be one of .*'slic'.*, got 'watershed'"),
        (dict(size=0), 'sizes of superpixels must be at least 1 pixel, got 0'),
        (dict(min_size=0), 'min_size of superpixels must be at least 1 pixel, got 0'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        Superpixels(**options)
