"""Directions of vectors."""

import torch
from torch.nn import functional as F

from mmwsss.functional.vectors import unit_vectors


def test_long_vectors_are_those_of_pytorch():
    vectors = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(unit_vectors(vectors), F.normalize(vectors, dim=-1, eps=1e-12))
    assert torch.equal(unit_vectors(vectors, 0, 1e-8), F.normalize(vectors, dim=0, eps=1e-8))
    assert unit_vectors(vectors.double()).dtype == torch.float64
    half = unit_vectors(vectors.half())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half.norm(dim=-1), torch.ones(5))


def test_gradients_of_zero_vectors_are_finite_in_float16():
    vectors = torch.zeros(2, 3, dtype=torch.float16, requires_grad=True)
    unit_vectors(vectors).sum().backward()
    assert vectors.grad.tolist() == [[10_000] * 3] * 2
