"""The sum over layers that gradient methods share."""

import pytest
import torch

from mmwsss.models.cams import GETAM, GradientAttention
from mmwsss.models.cams.layer_gradients import LayerGradients
from tests.models.cams.networks import network, plain_pass


class AttentionSum(LayerGradients):
    """Attention of the class token, whatever its gradient."""

    def layer_map(self, weights, gradient):
        assert weights.shape == gradient.shape == (1, 3, 9)
        return weights.sum(1)


def test_attention_of_the_last_layers_is_summed():
    model, image = network(cam=dict(type='mmwsss.CAM')), torch.randn(1, 3, 48, 48)
    method = AttentionSum(3)
    maps = method.maps(model, method.extract(model, image), [1, 2])
    _, attention, _, _ = plain_pass(model, image)
    expected = sum(weights[0, :, 0, 1:].sum(0) for weights in attention[-3:])
    torch.testing.assert_close(maps, expected.detach().expand(1, 2, -1))


@pytest.mark.parametrize('kind', [AttentionSum, GETAM, GradientAttention])
def test_no_layers(kind):
    with pytest.raises(ValueError, match='grad_layers must be at least 1, got 0'):
        kind(grad_layers=0)
