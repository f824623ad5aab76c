"""Precision of what is computed outside of mixed precision."""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision becomes float32; float64, as of ``model.double()``, stays.

    Args:
        values (Tensor): Of any floating type.

    Returns:
        Tensor: The same values in float32 or float64.
    """
    return values if values.dtype == torch.float64 else values.float()
