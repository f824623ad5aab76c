"""Maps against a background score, not refined."""

import torch

from mmwsss.functional.thresholds import labels_at_threshold
from mmwsss.models.refiners import ThresholdRefiner

from .data import check_contract, photo


def test_labels_are_those_of_the_sweep():
    _, maps, tags = photo()
    scores, labels = check_contract(ThresholdRefiner(background=0.6))
    assert torch.equal(scores[1:], maps) and (scores[0] == 0.6).all()
    assert torch.equal(labels.byte(), labels_at_threshold(maps, tags, 0.6))


def test_background_that_depends_on_the_maps():
    _, maps, _ = photo()
    scores, _ = check_contract(ThresholdRefiner(background=('alpha', 3)))
    torch.testing.assert_close(scores[0], (1 - maps.amax(0)) ** 3)
