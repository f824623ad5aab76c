"""What every refiner inherits."""

import pytest
import torch

from mmwsss.models.refiners import Refiner
from mmwsss.registry import REFINERS

from .data import batch, check_contract, photo


class Doubled(Refiner):
    """Maps twice as strong; counts how often it is asked."""

    calls = 0

    def refine(self, images, cams, tags, sizes):
        type(self).calls += 1
        return [self.seeds(2 * maps, size) for maps, size in zip(cams, sizes)]


def test_the_least_a_refiner_needs():
    scores, labels = check_contract(Doubled(background=0.9))
    _, maps, _ = photo()
    torch.testing.assert_close(scores, torch.cat([torch.full((1, 24, 32), 0.9), 2 * maps]))
    expected = torch.where(2 * maps.amax(0) > 0.9, torch.tensor([3, 6])[maps.argmax(0)], 0)
    assert torch.equal(labels, expected)


def test_uncertain_pixels():
    """The labels of two background scores have to agree."""
    images, cams, tags, sizes = batch()
    low, high, both = (
        Doubled(background=background, uncertain=width).labels(images, cams, tags, sizes)[0]
        for background, width in ((1.5, 0), (1.9, 0), (1.7, 0.2))
    )
    assert torch.equal(both, torch.where(low == high, low, 255)) and (both == 255).any()


def test_background_is_not_left_changed():
    refiner = Doubled(background=0.4)
    images, cams, tags, sizes = batch()
    stacks = refiner.refine_several(images, cams, tags, sizes, [0.1, ('alpha', 2)])
    assert refiner.background == 0.4
    assert torch.equal(stacks[0][0][0], torch.full((24, 32), 0.1))
    doubled = 2 * cams[0]
    torch.testing.assert_close(stacks[1][0][0], (1 - doubled.amax(0)) ** 2)


def test_images_without_classes_are_not_refined():
    Doubled.calls = 0
    labels = Doubled().labels([None], [torch.zeros(0, 4, 6)], [torch.zeros(0)], [(4, 6)])
    assert Doubled.calls == 0 and torch.equal(labels[0], torch.zeros(4, 6, dtype=torch.long))


def test_maps_of_another_resolution():
    seeds = Doubled().seeds(torch.ones(2, 3, 4), (6, 8), background=0.25)
    assert seeds.shape == (3, 6, 8)
    assert torch.equal(seeds[0], torch.full((6, 8), 0.25)) and (seeds[1:] == 1).all()


@pytest.mark.parametrize(
    'options', [dict(uncertain=-0.1), dict(background=('alpha', 4), uncertain=0.1)]
)
def test_bad_options(options):
    with pytest.raises(ValueError, match='uncertain .* needs a constant background'):
        Doubled(**options)


def test_registered_names():
    names = ('threshold', 'crf', 'par', 'psa', 'irn')
    assert all(issubclass(REFINERS.get(name), Refiner) for name in names)
    assert REFINERS.get('mmwsss.par') is REFINERS.get('par')
    assert REFINERS.build(dict(type='threshold', background=0.3)).background == 0.3
