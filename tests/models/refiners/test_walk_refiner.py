"""What the random walks of PSA and IRN share."""

import pytest
import torch

from mmwsss.models.affinity import AffinityNet
from mmwsss.models.refiners import CRFRefiner, DenseCRF
from mmwsss.models.refiners.walk_refiner import WalkRefiner

from .data import batch, check_contract, photo
from .networks import affinity_network, normalised


def test_walk_of_the_network():
    network = affinity_network('AffinityNet')
    walk = WalkRefiner(network, background=0.3, beta=2)
    scores, labels = check_contract(walk)
    image, maps, _ = photo()
    expected = network.propagate(normalised(network, image), maps, background=0.3, beta=2)
    torch.testing.assert_close(scores, expected)
    assert torch.equal(labels, torch.tensor([0, 3, 6])[expected.argmax(0)])
    assert walk.walk == dict(beta=2) and walk.uses_network and not CRFRefiner.uses_network


def test_crf_after_the_walk():
    network = affinity_network('AffinityNet')
    image, maps, _ = photo()
    scores, _ = check_contract(WalkRefiner(network, background=0.3, then_crf=True, preset='irn'))
    walked = network.propagate(normalised(network, image), maps, background=0.3)
    expected = DenseCRF('irn')(image.permute(1, 2, 0), walked / walked.sum(0))
    torch.testing.assert_close(scores, torch.as_tensor(expected), rtol=1e-3, atol=1e-5)


def test_scores_of_another_size():
    images, cams, tags, _ = batch()
    walk = WalkRefiner(affinity_network('IRNet'), background=0.3)
    assert walk.refine(images[:1], cams[:1], tags[:1], [(12, 16)])[0].shape == (3, 12, 16)


def test_another_network():
    class OfPSA(WalkRefiner):
        network_type = AffinityNet

    with pytest.raises(ValueError, match='OfPSA needs an AffinityNet, this is a IRNet'):
        OfPSA(affinity_network('IRNet'), background=0.3)
