"""Networks compile as one graph each, and compute the same."""

import pytest
import torch
from torch import nn

from .small_models import CROP, small_model

NAMES = ('mctformer_plus_voc', 'aream_voc', 'mcc_voc')


def inputs() -> torch.Tensor:
    return torch.randn(2, 3, CROP, CROP, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('name', NAMES)
def test_backbones_have_no_graph_break(name: str, training: bool) -> None:
    torch._dynamo.reset()
    backbone = small_model(name).backbone.train(training)
    rates = [
        module.drop_prob for module in backbone.modules() if type(module).__name__ == 'DropPath'
    ]
    if name != 'mcc_voc':
        assert any(rates)  # stochastic depth is part of what is compiled
    explained = torch._dynamo.explain(backbone)(inputs(), class_embeddings=name != 'mcc_voc')
    reasons = [reason.reason for reason in explained.break_reasons]
    assert explained.graph_break_count == 0 and explained.graph_count == 1, reasons


@pytest.mark.slow
def test_a_compiled_backbone_has_the_same_gradients() -> None:
    torch._dynamo.reset()
    backbone = small_model('mctformer_plus_voc').backbone.eval()

    def gradients(network: nn.Module) -> list[torch.Tensor]:
        backbone.zero_grad()
        features = network(inputs(), class_embeddings=True)
        (features.patch_map.square().mean() + features.class_embeddings.square().mean()).backward()
        return [value.grad.clone() for value in backbone.parameters() if value.grad is not None]

    plain = gradients(backbone)
    compiled = gradients(torch.compile(backbone, backend='aot_eager', fullgraph=True))
    assert len(plain) == len(compiled) > 10
    for one, two in zip(compiled, plain):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
