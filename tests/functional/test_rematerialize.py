"""GELU and linear layer without the output of the GELU in memory."""

import pytest
import torch
from torch.nn import functional as F

from mmwsss.functional.rematerialize import gelu_linear


@pytest.mark.parametrize('approximate', ['none', 'tanh'])
@pytest.mark.parametrize('with_bias', [True, False])
def test_value_and_gradients_are_those_of_the_plain_calls(
    approximate: str, with_bias: bool
) -> None:
    x = torch.randn(2, 5, 12, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 12, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(4, dtype=torch.float64, requires_grad=True) if with_bias else None
    inputs = [x, weight] + ([bias] if with_bias else [])
    ours = gelu_linear(x, weight, bias, approximate=approximate)
    plain = F.linear(F.gelu(x, approximate=approximate), weight, bias)
    torch.testing.assert_close(ours, plain, rtol=0, atol=0)
    grad = torch.randn_like(plain)
    for one, two in zip(
        torch.autograd.grad(ours, inputs, grad), torch.autograd.grad(plain, inputs, grad)
    ):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


def test_autocast_keeps_the_types_of_the_plain_calls() -> None:
    layer = torch.nn.Linear(12, 4)
    x = torch.randn(3, 12).bfloat16().requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        ours, plain = gelu_linear(x, layer.weight, layer.bias), layer(F.gelu(x))
    assert ours.dtype == plain.dtype == torch.bfloat16
    inputs = (x, layer.weight, layer.bias)
    for one, two in zip(
        torch.autograd.grad(ours.sum(), inputs), torch.autograd.grad(plain.sum(), inputs)
    ):
        assert one.dtype == two.dtype
        torch.testing.assert_close(one, two, rtol=2e-2, atol=2e-2)


def test_frozen_inputs_get_no_gradient() -> None:
    x, layer = torch.randn(3, 12), torch.nn.Linear(12, 4)
    layer.bias.requires_grad_(False)
    gelu_linear(x, layer.weight, layer.bias).sum().backward()
    assert x.grad is None and layer.bias.grad is None
    assert layer.weight.grad is not None


def test_only_the_input_of_the_gelu_is_kept() -> None:
    x = torch.randn(2, 8, 16, requires_grad=True)
    layer = torch.nn.Linear(16, 4)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        gelu_linear(x, layer.weight, layer.bias)
    addresses = {tensor.data_ptr() for tensor in kept}
    assert addresses == {x.data_ptr(), layer.weight.data_ptr()}
