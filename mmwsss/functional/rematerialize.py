"""Memory saving in training: an activation that is recomputed in the backward pass."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class _GeluLinear(torch.autograd.Function):
    """GELU and linear layer that keep the input of the GELU only."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, approximate: str
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.approximate = approximate
        ctx.has_bias = bias is not None
        return F.linear(F.gelu(x, approximate=approximate), weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad_x = grad_weight = grad_bias = None
        rows = grad.reshape(-1, grad.shape[-1])
        if ctx.needs_input_grad[0]:
            # under autocast the output, and so its gradient, has the lower precision
            inner = (grad @ weight.to(grad.dtype)).to(x.dtype)
            grad_x = torch.ops.aten.gelu_backward(inner, x, approximate=ctx.approximate)
        if ctx.needs_input_grad[1]:
            y = F.gelu(x, approximate=ctx.approximate).to(grad.dtype)
            grad_weight = (rows.t() @ y.reshape(-1, y.shape[-1])).to(weight.dtype)
        if ctx.has_bias and ctx.needs_input_grad[2]:
            grad_bias = rows.sum(0).to(weight.dtype)
        return grad_x, grad_weight, grad_bias, None


def gelu_linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, approximate: str = 'none'
) -> Tensor:
    """``linear(gelu(x))``, where the backward pass recomputes the GELU instead of keeping it.

    The GELU keeps ``x`` for its own gradient and its output is as large as ``x``: this saves half
    of the memory of a feed-forward network at the cost of one additional elementwise operation.
    Value and gradients are those of the plain calls, under autocast too. Compiles without a graph
    break.

    Args:
        x (Tensor): (...,D).
        weight (Tensor): (E,D).
        bias (Tensor, optional): (E,).
        approximate (str): Approximation of :func:`torch.nn.functional.gelu`.

    Returns:
        Tensor: (...,E).
    """
    if not torch.is_grad_enabled():
        return F.linear(F.gelu(x, approximate=approximate), weight, bias)
    return _GeluLinear.apply(x, weight, bias, approximate)
