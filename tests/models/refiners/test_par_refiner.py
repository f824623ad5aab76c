"""Pixel-adaptive refinement behind the interface of refiners."""

import pytest
import torch

from mmwsss.functional.pseudo_labels import labels_eq16, labels_two_pass
from mmwsss.models.refiners import PAR, PARRefiner

from .data import batch, check_contract, photo

OPTIONS = dict(dilations=(1, 2), num_iters=3)
TABLE = torch.full((256,), 255)
TABLE[:3] = torch.tensor([0, 3, 6])


def test_scores_are_those_of_par():
    image, maps, _ = photo()
    scores, labels = check_contract(PARRefiner('argmax', background=0.5, **OPTIONS))
    stack = torch.cat([torch.full_like(maps[:1], 0.5), maps])
    torch.testing.assert_close(scores, PAR(**OPTIONS)(image[None].float(), stack[None])[0])
    assert torch.equal(labels, TABLE[scores.argmax(0)])


@pytest.mark.parametrize('rule', ['two_pass', 'eq16'])
def test_two_thresholds(rule):
    image, maps, _ = photo()
    _, labels = check_contract(PARRefiner(rule, high=0.6, low=0.3, **OPTIONS))
    pixels, present, par = image[None].float(), torch.ones(1, 2), PAR(**OPTIONS)
    if rule == 'eq16':
        slots = labels_eq16(par(pixels, maps[None]), present, 0.3, 0.6)
    else:
        slots = labels_two_pass(pixels, maps[None], present, 0.6, 0.3, par=par)
    assert torch.equal(labels, TABLE[slots[0]])


def test_labels_at_the_size_that_is_asked_for():
    images, cams, tags, _ = batch()
    (label,) = PARRefiner(**OPTIONS).labels(images[:1], cams[:1], tags[:1], [(12, 16)])
    assert label.shape == (12, 16)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(rule='x'), "must be one of \\('two_pass', 'eq16', 'argmax'\\), got 'x'"),
        (dict(high=0.2, low=0.3), 'low must not exceed high'),
        (dict(dilations=()), 'dilations must be positive'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        PARRefiner(**options)
