"""The random walk of PSA behind the interface of refiners."""

import pytest
import torch

from mmwsss.models.refiners import PSARefiner

from .data import check_contract, photo
from .networks import affinity_network, normalised


def test_defaults_are_those_of_the_released_code():
    network = affinity_network('AffinityNet')
    image, maps, _ = photo()
    scores, _ = check_contract(PSARefiner(network))
    expected = network.propagate(normalised(network, image), maps, background=0.39)
    torch.testing.assert_close(scores, expected)


def test_options_reach_the_walk():
    network = affinity_network('AffinityNet')
    image, maps, _ = photo()
    scores, _ = check_contract(PSARefiner(network, background=0.5, beta=3, log2_steps=2))
    expected = network.propagate(
        normalised(network, image), maps, background=0.5, beta=3, log2_steps=2
    )
    torch.testing.assert_close(scores, expected)


def test_another_network_is_refused():
    other = affinity_network('IRNet')
    with pytest.raises(ValueError, match='PSARefiner needs an AffinityNet'):
        PSARefiner(other)
