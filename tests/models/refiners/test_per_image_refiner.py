"""Refiners that treat images one after the other."""

import torch

from mmwsss.models.refiners.per_image_refiner import PerImageRefiner

from .data import batch, check_contract


class Seeds(PerImageRefiner):
    """Seeds, and a note of every call."""

    def __init__(self, **options):
        super().__init__(**options)
        self.calls = []

    def refine_image(self, image, cams, backgrounds):
        self.calls.append(tuple(backgrounds))
        return [self.seeds(cams, image.shape[-2:], background) for background in backgrounds]


def test_contract():
    scores, _ = check_contract(Seeds(background=0.3))
    assert (scores[0] == 0.3).all()


def test_backgrounds_share_the_work_on_an_image():
    images, cams, tags, sizes = batch()
    refiner = Seeds(background=0.4)
    low, high = refiner.refine_several(images, cams, tags, sizes, [0.25, 0.75])
    assert refiner.calls == [(0.25, 0.75)] * len(images)
    for first, second, size in zip(low, high, sizes):
        assert first.shape[-2:] == tuple(size)
        assert (first[0] == 0.25).all() and (second[0] == 0.75).all()
        assert torch.equal(first[1:], second[1:])
