"""Precision of computations that run outside of mixed precision."""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Convert half precision to float32; float64, as after ``model.double()``, is kept.

    Args:
        values (Tensor): Values of any floating-point type.

    Returns:
        Tensor: The same values in float32 or float64.
    """
    return values if values.dtype == torch.float64 else values.float()
