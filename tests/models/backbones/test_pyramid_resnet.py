"""ResNet with its stem."""

import pytest
import torch
from mmseg.models.backbones import ResNet

from mmwsss.models.backbones import PyramidResNet


@pytest.mark.parametrize('deep_stem', [False, True])
def test_levels_are_those_of_mmseg_and_the_stem(deep_stem):
    options = dict(base_channels=8, stem_channels=8, deep_stem=deep_stem)
    network = PyramidResNet(18, **options).eval()
    reference = ResNet(18, strides=(1, 2, 2, 1), **options)
    reference.eval()
    reference.load_state_dict(network.state_dict())
    inputs = torch.rand(2, 3, 45, 70)
    levels = network(inputs)
    assert [level.shape[1] for level in levels] == list(network.out_channels) == [8, 8, 16, 32, 64]
    assert network.out_strides == (4, 4, 8, 16, 16)
    assert [tuple(level.shape[2:]) for level in levels] == [
        (-(-45 // stride), -(-70 // stride)) for stride in network.out_strides
    ]
    for mine, other in zip(levels[1:], reference(inputs)):
        assert torch.equal(mine, other)
    assert (levels[0] >= 0).all()


def test_defaults_are_the_frozen_trunk_of_irn():
    with torch.device('meta'):
        network = PyramidResNet().train()
    assert network.out_channels == (64, 256, 512, 1024, 2048)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.layer4.training
