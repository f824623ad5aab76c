"""Superpixels: scores follow the edges of the image."""

import sys

import pytest
import torch

from mmwsss.apis.refine import build_refiner
from mmwsss.models.modules import Superpixels
from mmwsss.models.refiners import SuperpixelsRefiner

pytest.importorskip('skimage')


def two_halves(size=(48, 64), edge=40):
    """An image with one vertical edge, and a map whose border lies ten pixels off."""
    image = torch.zeros(3, *size, dtype=torch.uint8)
    image[:, :, edge:] = 200
    cam = torch.zeros(1, *size)
    cam[:, :, edge - 10 :] = 0.9
    return image, cam


@pytest.mark.parametrize('method, sizes', [('slic', (400,)), ('felzenszwalb', (100,))])
def test_borders_move_to_the_edge(method, sizes):
    image, cam = two_halves()
    refiner = SuperpixelsRefiner(method, sizes=sizes, background=0.5)
    keys = torch.tensor([4])
    (label,) = refiner.labels([image], [cam], [keys], [(48, 64)])
    truth = torch.zeros(48, 64, dtype=torch.long)
    truth[:, 40:] = 5
    before = ((cam[0] > 0.5) * 5 != truth).float().mean()
    assert (label != truth).float().mean() < before
    (scores,) = refiner.refine([image], [cam], [keys], [(24, 32)])
    assert scores.shape == (2, 24, 32) and scores.dtype == torch.float32


@pytest.mark.parametrize(
    'vote, left, right',
    [
        # left of the edge 10 of 40 columns show the first class, the rest the second
        ('share', [0.0, 0.25, 0.75], [0.0, 1.0, 0.0]),
        ('mean', [0.5, 0.225, 0.6], [0.5, 0.9, 0.6]),
    ],
)
def test_every_superpixel_votes(monkeypatch, vote, left, right):
    image, cam = two_halves()
    halves = (torch.arange(64) >= 40).long().expand(48, 64)
    monkeypatch.setattr(Superpixels, '__call__', lambda self, image: halves)
    maps = torch.cat([cam, torch.full_like(cam, 0.6)])
    (scores,) = SuperpixelsRefiner(background=0.5, vote=vote).refine(
        [image], [maps], [torch.tensor([1, 4])], [(48, 64)]
    )
    torch.testing.assert_close(scores[:, 0, 0], torch.tensor(left))
    torch.testing.assert_close(scores[:, 0, 63], torch.tensor(right))


def test_untagged_images_and_the_crf():
    image, cam = two_halves()
    refiner = SuperpixelsRefiner(then_crf=True, background=0.5, uncertain=0.1)
    labels = refiner.labels(
        [image, image], [cam[:0], cam], [torch.tensor([]), torch.tensor([2])], [(48, 64)] * 2
    )
    assert not labels[0].any() and {*labels[1].unique().tolist()} <= {0, 3, 255}


def test_bad_options(monkeypatch):
    with pytest.raises(ValueError, match='method of superpixels must be one of'):
        SuperpixelsRefiner('seeds')
    with pytest.raises(ValueError, match='at least one size'):
        SuperpixelsRefiner(sizes=())
    with pytest.raises(ValueError, match="vote of superpixels must be one of .* got 'median'"):
        SuperpixelsRefiner(vote='median')
    with pytest.raises(ValueError, match='has no option colour'):
        build_refiner(dict(type='superpixels', colour=3))
    monkeypatch.setitem(sys.modules, 'skimage', None)
    with pytest.raises(ValueError, match=r'pip install "mmwsss\[proposals\]"'):
        SuperpixelsRefiner()
