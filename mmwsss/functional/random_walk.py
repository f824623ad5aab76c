"""Random walk that spreads maps along pairwise affinities (PSA and IRN), as one sparse product per
step.

The layout (B,P,M) of the affinities is that of :mod:`mmwsss.functional.affinity`.
"""

import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .affinity import Offset, PairGrid, pair_offsets


def random_walk(
    affinity: Tensor,
    x: Tensor,
    radius: int,
    *,
    beta: float,
    num_steps: int,
    full_border: bool = False,
    offsets: Sequence[Offset] | None = None,
) -> Tensor:
    """Propagate maps along affinities: x <- D^-1 A^beta x, ``num_steps`` times (PSA,
    IRN).

    A is symmetric with unit diagonal, the power is element-wise and D holds the row sums, so each
    step is a mean over a cell and its neighbours. It runs as one sparse product of all images and
    classes per step, in float64 on a CPU and for float64 maps, else in float32; the dense matrix
    and its powers are never formed. A cell without neighbours keeps its value. No gradient.

    Args:
        affinity (Tensor): (P,M) or (B,P,M) in [0,1].
        x (Tensor): (K,h,w) or (B,K,h,w) scores.
        radius (int): Cells.
        beta (float): Exponent of the affinities.
        num_steps (int): Steps; the papers' 2^t.
        full_border (bool): As for ``affinity``.
        offsets (sequence, optional): Offsets of the P planes; default :func:`pair_offsets`.

    Returns:
        Tensor: Like ``x``.

    Raises:
        ValueError: The shapes are inconsistent.
    """
    return random_walks(
        affinity,
        x,
        radius,
        beta=beta,
        num_steps=(num_steps,),
        full_border=full_border,
        offsets=offsets,
    )[0]


@torch.no_grad()
def random_walks(
    affinity: Tensor,
    x: Tensor,
    radius: int,
    *,
    beta: float,
    num_steps: Sequence[int],
    full_border: bool = False,
    offsets: Sequence[Offset] | None = None,
) -> list[Tensor]:
    """:func:`random_walk` with several numbers of steps: one walk with one transition matrix, whose
    intermediate states are returned.

    Args:
        affinity, x, radius, beta, full_border, offsets: See :func:`random_walk`.
        num_steps (Sequence[int]): Ascending.

    Returns:
        list[Tensor]: Like ``x``, one for each number of steps.

    Raises:
        ValueError: The shapes are inconsistent.
    """
    offsets = pair_offsets(radius) if offsets is None else offsets
    if (
        affinity.dim() != x.dim() - 1
        or (x.dim() == 4 and len(affinity) != len(x))
        or affinity.shape[-2] != len(offsets)
    ):
        raise ValueError(
            f'affinity {tuple(affinity.shape)} does not fit x {tuple(x.shape)} and {len(offsets)} '
            f'offsets'
        )
    if not x.numel():
        return [x.clone() for _ in num_steps]
    maps = x if x.dim() == 4 else x[None]
    batch, classes, height, width = maps.shape
    # other devices do not implement the sparse product
    device = x.device if x.device.type in ('cpu', 'cuda') else torch.device('cpu')
    # float32 drifts by 2e-4 in 256 steps; on a CPU the cost of float64 is negligible next to the
    # indices
    dtype = torch.float64 if x.dtype == torch.float64 or device.type == 'cpu' else torch.float32
    affinity = affinity.reshape(batch, len(offsets), affinity.shape[-1]).to(device, dtype)
    transition = _transition_matrix(affinity, (height, width), radius, beta, full_border, offsets)
    walker = maps.to(device, dtype).flatten(2).transpose(1, 2).reshape(-1, classes).contiguous()
    results = []
    with torch.autocast(device.type, enabled=False):
        for start, stop in zip((0, *num_steps), num_steps):
            for _ in range(stop - start):
                walker = transition @ walker
            cells = walker.view(batch, height * width, classes).transpose(1, 2)
            results.append(cells.reshape(x.shape).to(x))
    return results


def _transition_matrix(
    affinity: Tensor,
    shape: Sequence[int],
    radius: int,
    beta: float,
    full_border: bool,
    offsets: Sequence[Offset],
) -> Tensor:
    """Row-normalised A^beta of a batch as one block-diagonal CSR matrix (B*h*w, B*h*w)."""
    height, width = shape
    grid = PairGrid(shape, radius, full_border)
    weights = grid.split(affinity**beta)
    # Slots sorted by offset give sorted columns: neighbours above, the cell itself, neighbours
    # below.
    order = sorted(range(len(offsets)), key=lambda index: offsets[index])
    stencil = weights.new_zeros((len(affinity), height, width, 2 * len(offsets) + 1))
    stencil[..., len(offsets)] = 1  # the cell itself
    steps = [0] * stencil.shape[-1]
    for rank, index in enumerate(order, start=1):
        offset, ahead, back = offsets[index], len(offsets) + rank, len(offsets) - rank
        # each pair is stored once: it is a neighbour ahead of one cell and behind the other
        values = grid.pairs(weights[:, index], offset)
        grid.source(stencil[..., ahead], offset).copy_(values)
        grid.target(stencil[..., back], offset).copy_(values)
        steps[ahead] = offset[0] * width + offset[1]
        steps[back] = -steps[ahead]
    stencil = stencil.view(-1, len(steps))
    stencil /= stencil.sum(1, keepdim=True)
    present = stencil != 0
    # 32-bit indices halve the memory of the matrix
    integer = torch.int32 if stencil.numel() < 2**31 else torch.int64
    cells = torch.arange(len(stencil), dtype=integer, device=stencil.device)
    columns = cells[:, None] + torch.tensor(steps, dtype=integer, device=stencil.device)
    starts = F.pad(present.sum(1, dtype=integer).cumsum(0, dtype=integer), (1, 0))
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='Sparse CSR tensor support is in beta')
        return torch.sparse_csr_tensor(
            starts,
            columns.masked_select(present),
            stencil.masked_select(present),
            (len(stencil), len(stencil)),
            check_invariants=False,
        )
