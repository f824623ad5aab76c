"""The default loss of tag scores, and others in its place."""

import pytest
import torch
from torch import nn

from mmwsss.models.losses import TagLoss
from mmwsss.registry import MODELS
from tests.mctformer_golden import samples_with
from tests.models.cams.networks import network
from tests.single_stage_models import build, pictures, samples


def test_mean_of_binary_cross_entropies():
    logits, tags = torch.randn(3, 4), (torch.rand(3, 4) > 0.5).float()
    p = logits.sigmoid()
    expected = -(tags * p.log() + (1 - tags) * (1 - p).log()).mean()
    torch.testing.assert_close(TagLoss()(logits, tags), expected)
    assert TagLoss()(logits.bfloat16(), tags).dtype == torch.float32


@MODELS.register_module(force=True)
class ConstantTagLoss(nn.Module):
    """A value that no other loss has."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, logits, tags):
        assert logits.shape == tags.shape
        return self.value + 0 * logits.sum()


OTHER = dict(type='mmwsss.ConstantTagLoss', value=7.5)


@pytest.mark.parametrize('kind', ['MCTformer', 'MCTformerPlus', 'AReAM', 'ACRClassifier'])
def test_classifiers_take_another_loss(kind):
    model = network(kind, tag_loss=OTHER, test_cfg={}).train()
    losses = model.loss(torch.randn(2, 3, 48, 48), samples_with([[1, 0, 1, 0], [0, 1, 0, 0]]))
    # the consistency of ACR sums the losses of two views
    assert float(losses['loss_cls']) == (15 if kind == 'ACRClassifier' else 7.5)
    assert kind == 'ACRClassifier' or 'loss_patch' not in losses or losses['loss_patch'] == 7.5


def test_single_stage_networks_take_another_loss():
    model = build(tag_loss=OTHER, loss_weights=dict(cls=2.0, aux_cls=1.0))
    losses = model.loss(pictures(1), samples([[1, 0, 0, 0, 0]]))
    assert (float(losses['loss_cls']), float(losses['loss_aux_cls'])) == (15, 7.5)
