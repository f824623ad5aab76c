"""Less memory in training: cheap activations that are recomputed when the gradient needs them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def rematerialized(
    function: Callable[[Tensor], Tensor], consumer: Callable[[Tensor], Any], x: Tensor
) -> Any:
    """``consumer(function(x))``, where the backward pass calls ``function`` again instead of
    keeping its output.

    Value and gradients are those of the plain call. Worth it where ``function`` is cheap, keeps
    ``x`` itself for its own gradient and has a large output that ``consumer`` keeps, as an
    activation before a linear layer does.

    Args:
        function (Callable): Tensor in, new tensor out; deterministic.
        consumer (Callable): Tensor in, anything out.
        x (Tensor): Any shape.

    Returns:
        What ``consumer`` returns.
    """
    y = function(x)
    if not (torch.is_grad_enabled() and y.requires_grad):
        return consumer(y)
    storage = y.untyped_storage().data_ptr()

    def pack(saved: Any) -> Any:
        # the consumer may keep a view; a cast copy is its own and stays
        return (
            (saved.shape, saved.stride(), saved.storage_offset())
            if saved.untyped_storage().data_ptr() == storage
            else saved
        )

    def unpack(packed: Any) -> Any:
        if isinstance(packed, torch.Tensor):
            return packed
        with torch.no_grad():
            return function(x).as_strided(*packed)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        return consumer(y)
