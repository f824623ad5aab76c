"""Gaussian filtering of scattered points by summing over all pairs: exact, quadratic in their
number, bounded memory.

``y_i = sum_j exp(-|f_i - f_j|^2 / 2) v_j``, the point itself included.
:mod:`mmwsss.functional.permutohedral` approximates it in linear time.
"""

import torch
from torch import Tensor

CELL = 512  # points per cell: the pairs with another cell fit in the cache of a core
# pairs of cells are skipped where all exponents are below this: e^-25 of a value, and even the sum
# of 10^5 of them, is below the rounding error of float32
LARGEST_EXPONENT = 25.0
# e^-60 of a value is below any rounding error, too, while products with numbers below e^-87
# (subnormal ones) take a hundred times as long on many CPUs
SMALLEST = -60.0


@torch.no_grad()
def gaussian_filter(features: Tensor, values: Tensor, block: int | None = None) -> Tensor:
    """Exact Gaussian filter.

    The kernel is symmetric: each block is computed once and used for both halves. The cost is N^2/2
    exponentials and 2KN^2 multiplications, less the pairs that are too far apart to matter; 50,176
    points (224 x 224) take seconds on a CPU and milliseconds on a GPU; 187,500 points (375 x 500)
    need a GPU.

    Args:
        features (Tensor): (N,d), divided by the standard deviations of the Gaussian.
        values (Tensor): (N,K).
        block (int, optional): Number of points along one side of a block; memory is a few times its
            square. Default :data:`CELL` on the CPU, 8192 elsewhere.

    Returns:
        Tensor: (N,K), in the dtype of the features (float32 for half precision).
    """
    dtype = torch.promote_types(features.dtype, torch.float32)
    features, values = features.to(dtype), values.to(dtype)
    if not len(features):
        return values.new_zeros(values.shape)
    with torch.autocast(features.device.type, enabled=False):
        if features.device.type == 'cpu':
            return _filter_cells(features, values, block or CELL)
        return _filter_blocks(features, values, block or 8192)


def _filter_blocks(features: Tensor, values: Tensor, block: int) -> Tensor:
    """Blocks of consecutive points: on an accelerator, their positions are not inspected, which
    would force a synchronisation.
    """
    parts, sources = features.split(block), values.split(block)
    sums = [torch.zeros_like(source) for source in sources]
    for i in range(len(parts)):
        for j in range(i + 1):
            kernel = _kernel(parts[i], parts[j])
            sums[i].addmm_(kernel, sources[j])
            if j < i:
                sums[j].addmm_(kernel.t(), sources[i])
    return torch.cat(sums)


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    """``exp(-|a_i - b_j|^2 / 2)`` from coordinate differences, since the expanded square loses all
    digits where features are large.
    """
    distance = (a[:, None, 0] - b[:, 0]).square_()
    for dim in range(1, a.shape[1]):
        difference = a[:, None, dim] - b[:, dim]
        distance.addcmul_(difference, difference)
    return distance.mul_(-0.5).clamp_(min=SMALLEST).exp_()


def _filter_cells(features: Tensor, values: Tensor, size: int) -> Tensor:
    """Cells of points that lie close together.

    Exponents come from one product of matrices per pair of cells, with the origin between the two,
    where the expanded square loses few digits; cells that are too far apart are left out.
    """
    members = _cells(features, size)
    order, sizes = torch.cat(members), [len(cell) for cell in members]
    parts, sources = features[order].split(sizes), values[order].split(sizes)
    filtered = torch.zeros_like(values)
    sums = filtered.split(sizes)
    low = torch.stack([part.amin(0) for part in parts])
    high = torch.stack([part.amax(0) for part in parts])
    gaps = torch.maximum(low[:, None] - high, low - high[:, None]).clamp_(min=0)
    far = (gaps.square().sum(-1) > 2 * LARGEST_EXPONENT).tolist()
    origins, buffer = (low + high) / 2, features.new_empty(max(sizes) ** 2)
    for i in range(len(parts)):
        for j in range(i + 1):
            if far[i][j]:
                continue
            origin = (origins[i] + origins[j]) / 2
            kernel = _kernel_by_product(parts[i] - origin, parts[j] - origin, buffer)
            sums[i].addmm_(kernel, sources[j])
            if j < i:
                sums[j].addmm_(kernel.t(), sources[i])
    return torch.empty_like(filtered).index_copy_(0, order, filtered)


def _cells(features: Tensor, size: int) -> list[Tensor]:
    """Indices of at most ``size`` points each: the points are halved repeatedly along the widest
    dimension.
    """
    finished, pending = [], [torch.arange(len(features))]
    while pending:
        cell = pending.pop()
        if len(cell) <= size:
            finished.append(cell)
            continue
        points = features[cell]
        widest = int((points.amax(0) - points.amin(0)).argmax())
        pending += cell[points[:, widest].argsort()].tensor_split(2)
    return finished


def _kernel_by_product(a: Tensor, b: Tensor, buffer: Tensor) -> Tensor:
    """``exp(a_i b_j - |a_i|^2 / 2 - |b_j|^2 / 2)`` in ``buffer``."""
    kernel = buffer[: len(a) * len(b)].view(len(a), len(b))
    half_a, half_b = (points.square().sum(1, keepdim=True) / -2 for points in (a, b))
    left = torch.cat([a, half_a, torch.ones_like(half_a)], 1)
    right = torch.cat([b, torch.ones_like(half_b), half_b], 1)
    return torch.mm(left, right.t(), out=kernel).clamp_(min=SMALLEST).exp_()
