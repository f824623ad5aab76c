"""Normalisation of vectors to unit length."""

import torch
from torch import Tensor
from torch.nn import functional as F

# a gradient is at most the reciprocal, which is below the largest float16, 65,504
SMALLEST_HALF_LENGTH = 1e-4


def unit_vectors(vectors: Tensor, dim: int = -1, eps: float = 1e-12) -> Tensor:
    """Normalise vectors to length 1 like :func:`torch.nn.functional.normalize`, but with gradients
    that are finite in float16 too.

    Args:
        vectors: Any shape.
        dim: Dimension of the components.
        eps: Vectors shorter than this are divided by it; at least 1e-4 for float16, because the
            gradient of a shorter vector would overflow.

    Returns:
        Same shape, float32 or float64.
    """
    if vectors.dtype == torch.float16:
        eps = max(eps, SMALLEST_HALF_LENGTH)
    vectors = vectors.to(torch.promote_types(vectors.dtype, torch.float32))
    return F.normalize(vectors, dim=dim, eps=eps)
