"""The permutohedral lattice."""

import pytest
import torch

from mmwsss.functional.gaussian_filter import gaussian_filter
from mmwsss.functional.permutohedral import build_lattice, filter_lattice


@pytest.mark.parametrize('dims', [1, 2, 3, 5])
def test_barycentric_coordinates(dims):
    lattice = build_lattice(torch.randn(300, dims, dtype=torch.float64) * 4)
    assert lattice.vertex.shape == lattice.barycentric.shape == (300, dims + 1)
    assert lattice.barycentric.min() >= -1e-12 and lattice.barycentric.max() <= 1 + 1e-12
    torch.testing.assert_close(lattice.barycentric.sum(1), torch.ones(300, dtype=torch.float64))
    assert lattice.vertex.min() == 1 and lattice.vertex.max() == lattice.blur.shape[1] - 1
    assert all(len(set(row)) == dims + 1 for row in lattice.vertex.tolist())


def test_neighbours_are_mutual():
    lattice = build_lattice(torch.randn(500, 3) * 2)
    own, after, before = lattice.blur.long().unbind(2)
    assert torch.equal(own, torch.arange(own.shape[1]).expand_as(own))
    for forward, backward in zip(after, before):
        occupied = forward.nonzero()[:, 0]
        assert len(occupied) and torch.equal(backward[forward[occupied]], occupied)
        assert forward[0] == backward[0] == 0


def test_filter_is_linear():
    lattice = build_lattice(torch.randn(200, 5, dtype=torch.float64) * 2)
    values = torch.rand(200, 3, dtype=torch.float64)
    torch.testing.assert_close(
        filter_lattice(lattice, values * 2 + 1),
        filter_lattice(lattice, values) * 2 + filter_lattice(lattice, torch.ones_like(values)),
    )
    matrix = filter_lattice(lattice, torch.eye(200, dtype=torch.float64))
    assert matrix.min() >= 0 and matrix.diagonal().min() > 0
    torch.testing.assert_close(matrix @ values, filter_lattice(lattice, values))


def test_smooth_signals_follow_the_exact_filter():
    """On a dense 2-D grid the normalised results of both filters agree to a few percent."""
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing='ij')
    features = torch.stack([x.flatten(), y.flatten()], 1) / 6
    values = torch.stack([torch.sin(x.flatten() / 9), torch.ones(1600)], 1)
    lattice, exact = (
        filter_lattice(build_lattice(features), values),
        gaussian_filter(features, values),
    )
    torch.testing.assert_close(
        lattice[:, 0] / lattice[:, 1], exact[:, 0] / exact[:, 1], rtol=0, atol=0.05
    )


def test_edges():
    single = build_lattice(torch.zeros(1, 5))
    assert filter_lattice(single, torch.ones(1, 2)).shape == (1, 2)
    equal = filter_lattice(build_lattice(torch.ones(4, 2)), torch.eye(4))
    torch.testing.assert_close(equal, equal[:1, :1].expand(4, 4))
    with pytest.raises(ValueError, match='at least one point'):
        build_lattice(torch.zeros(0, 2))
    with pytest.raises(ValueError, match='too many for the lattice'):
        build_lattice(torch.rand(10, 5) * 1e5)
