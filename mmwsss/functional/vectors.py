"""Directions of vectors."""

import torch
from torch import Tensor
from torch.nn import functional as F

# a gradient is at most the reciprocal: below the largest float16, 65,504
SMALLEST_HALF_LENGTH = 1e-4


def unit_vectors(vectors: Tensor, dim: int = -1, eps: float = 1e-12) -> Tensor:
    """Vectors of length 1, as :func:`torch.nn.functional.normalize` makes them, but with gradients
    that are finite in float16 too.

    Args:
        vectors: Any shape.
        dim: Of the components.
        eps: Vectors shorter than that are divided by it; at least 1e-4 for float16, in which the
            gradient of a shorter vector would overflow.

    Returns:
        Same shape, float32 or float64.
    """
    if vectors.dtype == torch.float16:
        eps = max(eps, SMALLEST_HALF_LENGTH)
    vectors = vectors.to(torch.promote_types(vectors.dtype, torch.float32))
    return F.normalize(vectors, dim=dim, eps=eps)
