"""Gaussian filtering of scattered points in a few dimensions, in time linear in their number, on
the permutohedral lattice.

Source: Adams, Baek and Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice"
(Eurographics 2010), in the form in which dense CRFs use it (Kraehenbuehl and Koltun, NIPS 2011):
splat, blur with (1/2, 1, 1/2) along each axis of the lattice, slice. It computes ``sum_j exp(-|f_i
- f_j|^2 / 2) v_j`` up to a gain that depends on the data (0.4-0.7 on images), which symmetric
normalisation removes.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

NO_VERTEX = (1 << 63) - 1  # key of a row that no vertex occupies


class Lattice(NamedTuple):
    """Positions of N points of d features on the lattice. M is the number of rows for vertices: the
    occupied vertices on a CPU, the maximum number N (d+1) elsewhere.

    Attributes:
        vertex: (N,d+1) int32, row of each of the d+1 vertices around a point; 0 is the empty
            vertex, occupied ones count from 1.
        barycentric: (N,d+1) weights of these vertices, in [0,1], summing to 1.
        splat_point: (N*(d+1),) int32, the points sorted by vertex.
        splat_weight: (N*(d+1),) their weights.
        splat_offset: (M+1,) int32, start of each vertex in these lists; the empty vertex is first.
        blur: (d+1,M+1,3) int32, for each axis: the row of each vertex and of its two neighbours
            along the axis; 0 where there is none.
    """

    vertex: torch.Tensor
    barycentric: torch.Tensor
    splat_point: torch.Tensor
    splat_weight: torch.Tensor
    splat_offset: torch.Tensor
    blur: torch.Tensor


@torch.no_grad()
def build_lattice(features: Tensor) -> Lattice:
    """Place points on the lattice.

    Args:
        features (Tensor): (N,d), divided by the standard deviations of the Gaussian; or (B,N,d),
            the points of B images: points of different images never interact, and the lattice has
            (B*N,d) points.

    Returns:
        Lattice: Input of :func:`filter_lattice`, which can be reused for any number of filterings.

    Raises:
        ValueError: The features span too many standard deviations for 63-bit vertex keys. On an
            accelerator, where this check would force a synchronisation, filtering gives NaN
            instead.
    """
    features = features if features.dtype == torch.float64 else features.float()
    images = len(features) if features.dim() == 3 else 1
    features = features.reshape(-1, features.shape[-1])
    num_points, dims = features.shape
    device, axes = features.device, dims + 1
    if num_points == 0:
        raise ValueError('a lattice needs at least one point')

    # 1. embed in the plane sum(x) = 0 of d+1 dimensions, scaled so that the blur has unit standard
    # deviation
    index = torch.arange(1, axes, device=device)
    scaled = features * (math.sqrt(2 / 3) * axes / (index * (index + 1)).to(features.dtype).sqrt())
    tail = F.pad(scaled.flip(1).cumsum(1).flip(1), (0, 1))
    elevated = tail - F.pad(scaled * index, (1, 0))

    # 2. nearest vertex of remainder 0: round to multiples of d+1, then repair the sum along the
    # ranks of the differences
    rounded = torch.round(elevated / axes)
    difference = elevated - rounded * axes
    rank = torch.argsort(difference, dim=1, descending=True, stable=True).argsort(1)
    excess = rounded.sum(1, keepdim=True).long()
    rank += excess
    shift = (rank < 0).long() - (rank > dims).long()
    rank += shift * axes
    rounded = rounded.long() + shift
    difference = (elevated - (rounded * axes).to(elevated.dtype)) / axes

    # 3. barycentric weights from the differences in the order of the ranks
    ordered = torch.empty_like(difference).scatter_(1, rank, difference)
    barycentric = torch.empty_like(ordered)
    barycentric[:, 0] = 1 + ordered[:, -1] - ordered[:, 0]
    barycentric[:, 1:] = (ordered[:, :-1] - ordered[:, 1:]).flip(1)

    # 4. one integer per vertex: coordinates (all but the last, which the others determine) in a
    # mixed radix with room for neighbours
    base = rounded[:, :dims] * axes
    low = base.amin(0) - 2 * axes
    span = base.amax(0) + 2 * axes - low + 1
    if device.type == 'cpu' and images * math.prod(span.tolist()) >= 1 << 62:
        raise ValueError(
            f'features span '
            f'{[round(value) for value in (features.amax(0) - features.amin(0)).tolist()]} '
            f'standard deviations, '
            'too many for the lattice: use larger standard deviations'
        )
    stride = torch.cat([span.new_ones(1), span[:-1].cumprod(0)])
    # the vertex of remainder m adds m to every coordinate and takes d+1 from those of the m highest
    # ranks
    by_rank = elevated.new_zeros(elevated.shape, dtype=torch.long).scatter_(
        1, rank, F.pad(stride, (0, 1)).expand(num_points, -1)
    )
    keys = F.pad(by_rank.flip(1).cumsum(1)[:, :-1], (1, 0)).mul_(-axes)
    keys.add_(torch.arange(axes, device=device) * stride.sum()).add_(
        ((base - low) * stride).sum(1, keepdim=True)
    )
    if images > 1:  # each image has a separate range of keys
        image = torch.arange(images, device=device).repeat_interleave(num_points // images)
        keys.add_((image * span.prod())[:, None])
    keys, order = torch.sort(keys.flatten(), stable=True)
    first = torch.ones_like(keys, dtype=torch.bool)
    first[1:] = keys[1:] != keys[:-1]
    row = first.cumsum(0)
    # on an accelerator, the number of vertices is not read back: rows are allocated for the maximum
    count = int(row[-1]) if device.type == 'cpu' else len(keys)
    unique = keys.new_full((count,), NO_VERTEX).scatter_(0, row - 1, keys)
    vertex = torch.empty_like(row).scatter_(0, order, row).view(num_points, axes)
    rows = torch.arange(count + 1, dtype=torch.int32, device=device)
    start = torch.searchsorted(row, rows[1:].to(row.dtype))
    offset = F.pad(start, (1, 0))
    splat_point = order // axes
    if device.type != 'cpu':  # nor is the overflow of keys read back: the result is then NaN
        fits = images * span.double().prod() < 2.0**62
        barycentric = torch.where(fits, barycentric, torch.nan)

    # 5. neighbours along axis j: the key minus one in every coordinate, plus d+1 in coordinate j
    blur = torch.zeros(axes, count + 1, 3, dtype=torch.int32, device=device)
    blur[:, :, 0] = rows
    for axis in range(axes):
        step = (axes * stride[axis] if axis < dims else 0) - stride.sum()
        # the keys of empty rows stay where they are, far above all others
        wanted = torch.where(unique == NO_VERTEX, NO_VERTEX - 1, unique + step)
        position = torch.searchsorted(unique, wanted).clamp_(max=count - 1)
        neighbour = torch.where(unique[position] == wanted, position + 1, 0)
        blur[axis, 1:, 1] = neighbour
        # rows without a neighbour write to the empty vertex, which has no neighbours
        blur[axis, :, 2].scatter_(0, neighbour, rows[1:])
        blur[axis, 0, 2] = 0
    return Lattice(
        vertex.int(),
        barycentric,
        splat_point.int(),
        barycentric.flatten()[order],
        offset.int(),
        blur,
    )


@torch.no_grad()
def filter_lattice(lattice: Lattice, values: Tensor) -> Tensor:
    """Filter ``values`` (N,K) -> (N,K): approximately ``sum_j exp(-|f_i - f_j|^2 / 2) v_j``, the
    point itself included.
    """
    dims = lattice.vertex.shape[1] - 1
    grid = F.embedding_bag(
        lattice.splat_point,
        values.contiguous(),
        lattice.splat_offset,
        mode='sum',
        per_sample_weights=lattice.splat_weight,
    )
    weights = values.new_full((len(grid), 3), 0.5)
    weights[:, 0] = 1
    for rows in lattice.blur:
        grid = F.embedding_bag(rows, grid, mode='sum', per_sample_weights=weights)
    return F.embedding_bag(
        lattice.vertex, grid, mode='sum', per_sample_weights=lattice.barycentric
    ) / (1 + 2**-dims)
