"""Refiners that treat images of one size together: the scores of each image alone."""

import pytest
import torch

from mmwsss.models.refiners import (
    BatchRefiner,
    CRFRefiner,
    DenseCRF,
    IRNRefiner,
    PARRefiner,
    PSARefiner,
)

from .data import check_contract, photo
from .networks import affinity_network


class Seeds(BatchRefiner):
    """Seeds, and a note of every call."""

    def __init__(self, **options):
        super().__init__(**options)
        self.calls = []

    def refine_batch(self, images, stacks, counts):
        self.calls.append((tuple(images.shape), len(stacks), list(counts)))
        return stacks


def images_of_two_sizes():
    """Five images with one to three classes, as :meth:`Refiner.refine` takes them."""
    images, cams, tags, sizes = [], [], [], []
    for number, size in enumerate([(24, 32), (20, 28), (24, 32), (24, 32), (20, 28)]):
        image, maps, keys = photo(size)
        maps = torch.cat([maps, maps.flip(1)])[: 1 + number % 3]
        images.append(image.roll(3 * number, -1))
        cams.append(maps.clamp(max=1))
        tags.append(torch.arange(len(maps)) + number)
        sizes.append(size)
    return images, cams, tags, sizes


def test_contract():
    check_contract(Seeds(background=0.3))


def test_images_of_one_size_meet():
    inputs = images_of_two_sizes()
    refiner = Seeds()
    low, _ = refiner.refine_several(*inputs, [0.2, 0.6])
    assert refiner.calls == [((3, 3, 24, 32), 2, [2, 4, 2]), ((2, 3, 20, 28), 2, [3, 3])]
    for scores, maps in zip(low, inputs[1]):
        assert (scores[0] == 0.2).all() and torch.equal(scores[1:], maps)


@pytest.mark.parametrize(
    'make',
    [
        lambda: PARRefiner('argmax', dilations=(1, 2), num_iters=3),
        lambda: CRFRefiner(backend='torch'),
        lambda: CRFRefiner(backend='torch_exact'),
        lambda: PSARefiner(affinity_network('AffinityNet'), background=('alpha', 2)),
        lambda: IRNRefiner(affinity_network('IRNet'), log2_steps=4),
    ],
    ids=['par', 'crf', 'crf_exact', 'psa', 'irn'],
)
def test_scores_are_those_of_each_image_alone(make):
    refiner, inputs = make(), images_of_two_sizes()
    together = refiner.refine(*inputs)
    for scores, *single in zip(together, *inputs):
        (expected,) = refiner.refine(*([value] for value in single))
        torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-5)


def test_crf_after_the_walk_of_several_images():
    network, inputs = affinity_network('AffinityNet'), images_of_two_sizes()
    refiner = PSARefiner(network, then_crf=True)
    refiner.crf = DenseCRF('psa', backend='torch')
    for scores, *single in zip(refiner.refine(*inputs), *inputs):
        (expected,) = refiner.refine(*([value] for value in single))
        torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-5)
