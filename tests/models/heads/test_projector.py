"""Projector: cosines, initialisation, gradients."""

import torch
from torch.nn import functional as F

from mmwsss.models.heads import Projector


def test_outputs_are_cosines():
    head = Projector(6, 5, hidden_channels=8, bottleneck_channels=4)
    tokens = torch.randn(3, 2, 6, requires_grad=True)
    outputs = head(tokens)
    expected = F.cosine_similarity(head.mlp(tokens)[..., None, :], head.last_layer.weight, dim=-1)
    torch.testing.assert_close(outputs, expected)
    assert outputs.shape == (3, 2, 5) and bool((outputs.abs() <= 1 + 1e-6).all())
    outputs.sum().backward()
    assert all(weight.grad is not None for weight in head.parameters()) and tokens.grad.any()


def test_only_directions_of_the_last_layer_count():
    head, tokens = Projector(6, 5, hidden_channels=8, bottleneck_channels=4), torch.randn(2, 6)
    before = head(tokens)
    with torch.no_grad():
        head.last_layer.weight.mul_(torch.rand(5, 1) + 0.5)
    torch.testing.assert_close(head(tokens), before)


def test_start_and_names():
    head = Projector(64)
    assert {name: tuple(weight.shape) for name, weight in head.named_parameters()} == {
        'mlp.0.weight': (2048, 64),
        'mlp.0.bias': (2048,),
        'mlp.2.weight': (2048, 2048),
        'mlp.2.bias': (2048,),
        'mlp.4.weight': (256, 2048),
        'mlp.4.bias': (256,),
        'last_layer.weight': (1024, 256),
    }
    assert abs(head.mlp[2].weight.std() - 0.02) < 5e-4 and not head.mlp[2].bias.any()
    with torch.autocast('cpu', torch.bfloat16):
        assert head(torch.randn(2, 64)).dtype == torch.float32
