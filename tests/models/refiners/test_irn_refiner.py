"""The random walk of IRN behind the interface of refiners."""

import pytest
import torch

from mmwsss.models.refiners import IRNRefiner

from .data import check_contract, photo
from .networks import affinity_network, normalised


def test_defaults_are_those_of_the_released_code():
    network = affinity_network('IRNet')
    image, maps, _ = photo()
    scores, _ = check_contract(IRNRefiner(network))
    expected = network.propagate(normalised(network, image), maps, background=0.25)
    torch.testing.assert_close(scores, expected)


def test_options_reach_the_walk():
    network = affinity_network('IRNet')
    image, maps, _ = photo()
    scores, _ = check_contract(
        IRNRefiner(network, background=0.5, beta=3, log2_steps=2, radius=3, flip=False)
    )
    expected = network.propagate(
        normalised(network, image), maps, background=0.5, beta=3, log2_steps=2, radius=3, flip=False
    )
    torch.testing.assert_close(scores, expected)


def test_another_network_is_refused():
    other = affinity_network('AffinityNet')
    with pytest.raises(ValueError, match='IRNRefiner needs an IRNet'):
        IRNRefiner(other)
