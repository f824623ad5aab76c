"""Pairwise affinities of neighbouring cells: pairs, labels and losses of PSA and IRN.

Sources: PSA, Ahn and Kwak, "Learning Pixel-level Semantic Affinity with Image-level Supervision",
CVPR 2018; IRN, Ahn, Cho and Kwak, "Weakly Supervised Learning of Instance Segmentation with
Inter-pixel Relations", CVPR 2019; the released code of both.

A *pair* joins a "from" cell and the cell at an offset (dy, dx) from it. Every function that returns
or takes one value per pair uses the layout (B,P,M): P offsets in the order of :func:`pair_offsets`
(PSA) or :func:`path_offsets` (IRN), M from cells in row-major order. With ``full_border=False`` the
from cells are rows 0..h-r and columns r-1..w-r of the (h,w) grid for radius r, so that all targets
lie inside: M=(h-r+1)(w-2r+2), 0 for a grid smaller than that. With ``full_border=True`` M=hw, and a
pair that leaves the grid has affinity 0 and no label.
"""

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

IGNORE = 255
Offset = tuple[int, int]  # (dy, dx)


# Pairs --------------------------------------------------------------------------------------------


@cache
def pair_offsets(radius: int) -> tuple[tuple[int, int], ...]:
    """Offsets (dy, dx) shorter than ``radius`` in PSA's order: one of each pair of opposite
    directions.

    Args:
        radius (int): Cells, at least 1; 5 gives 34 offsets and 10 gives 152.

    Returns:
        tuple[tuple[int, int]]: (0,1), (0,2), ... then row by row from dy=1.

    Raises:
        ValueError: ``radius`` is not a positive integer.
    """
    if radius != int(radius) or radius < 1:
        raise ValueError(f'radius must be a positive integer, got {radius}')
    span = range(1 - radius, radius)
    right = [(0, dx) for dx in range(1, radius)]
    rows_below = product(range(1, radius), span)
    below = [(dy, dx) for dy, dx in rows_below if dy * dy + dx * dx < radius * radius]
    return tuple(right + below)


@cache
def line_paths(radius: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Cells on the thick line from a cell to each of its neighbours (IRN): those of the bounding
    rectangle nearer than 1 to the line.

    Args:
        radius (int): Cells; 10 gives 152 paths.

    Returns:
        tuple[tuple[tuple[int, int]]]: For each destination the cells (dy, dx), from (0,0) to the
        destination. Paths are sorted by their number of cells; equally long ones keep the order of
        :func:`pair_offsets`.
    """
    paths = []
    for dy, dx in pair_offsets(radius):
        columns = range(min(0, dx), max(0, dx) + 1)
        rectangle = product(range(dy + 1), columns)
        cells = [(y, x) for y, x in rectangle if (dy * x - dx * y) ** 2 < dy * dy + dx * dx]
        paths.append(tuple(sorted(cells, key=lambda cell: cell[0] + abs(cell[1]))))
    return tuple(sorted(paths, key=len))


@cache
def path_offsets(radius: int) -> tuple[tuple[int, int], ...]:
    """Destinations (dy, dx) of :func:`line_paths`: IRN's order of the offsets."""
    return tuple(path[-1] for path in line_paths(radius))


@cache
def _path_tree(radius: int) -> tuple[tuple[int | None, tuple[tuple, ...]], ...]:
    """Index of the longest path inside each path (or None) and the remaining cells, so that shared
    parts are visited once.
    """
    paths = [frozenset(path) for path in line_paths(radius)]
    tree = []
    for path in paths:
        parents = [index for index, other in enumerate(paths) if other < path]
        parent = max(parents, key=lambda index: len(paths[index]), default=None)
        tree.append(
            (parent, tuple(sorted(path - (paths[parent] if parent is not None else frozenset()))))
        )
    return tuple(tree)


class PairGrid:
    """Positions of the from cells of each offset and of their targets on an (h,w) grid."""

    def __init__(self, shape: Sequence[int], radius: int, full_border: bool) -> None:
        self.height, self.width = shape
        self.reach = radius - 1
        self.full_border = full_border
        self.plane = (
            tuple(shape)
            if full_border
            else (max(self.height - self.reach, 0), max(self.width - 2 * self.reach, 0))
        )

    def _window(self, offset: tuple[int, int]) -> tuple[int, int, int, int]:
        dy, dx = offset
        if self.full_border:
            top, bottom, left, right = 0, self.height - dy, max(0, -dx), self.width - max(0, dx)
        else:
            top, bottom, left, right = (
                0,
                self.height - self.reach,
                self.reach,
                self.width - self.reach,
            )
        return top, max(top, bottom), left, max(left, right)

    def source(self, maps: Tensor, offset: tuple[int, int]) -> Tensor:
        """View (...,a,b) of the from cells that have a target."""
        top, bottom, left, right = self._window(offset)
        return maps[..., top:bottom, left:right]

    def target(self, maps: Tensor, offset: tuple[int, int]) -> Tensor:
        """View (...,a,b) of their targets."""
        top, bottom, left, right = self._window(offset)
        dy, dx = offset
        return maps[..., top + dy : bottom + dy, left + dx : right + dx]

    def pairs(self, values: Tensor, offset: tuple[int, int]) -> Tensor:
        """View (...,a,b) of the same from cells in per-pair values (...,*plane)."""
        return self.source(values, offset) if self.full_border else values

    def split(self, values: Tensor) -> Tensor:
        """(...,M) as (...,*plane)."""
        if values.shape[-1] != self.plane[0] * self.plane[1]:
            raise ValueError(
                f'a {self.height}x{self.width} grid with reach {self.reach} and '
                f'full_border={self.full_border} has '
                f'{self.plane[0] * self.plane[1]} from cells, got values for {values.shape[-1]}'
            )
        return (
            values.unflatten(-1, self.plane)
            if values.numel()
            else values.new_zeros((*values.shape[:-1], *self.plane))
        )


# Labels -------------------------------------------------------------------------------------------


def affinity_labels(la: Tensor, ha: Tensor, *, stride: int = 8, min_score: float = 1e-5) -> Tensor:
    """Label map for training PSA's affinity network, from the maps of a strong and of a weak
    background (PSA).

    Both maps are averaged over ``stride`` x ``stride`` blocks. A foreground argmax of ``la`` is
    trusted, then a background argmax of ``ha`` (which wins where they disagree); a cell with no
    score at all is crop padding.

    Args:
        la (Tensor): (...,K+1,H,W) probabilities under a low background exponent, background first.
        ha (Tensor): (...,K+1,H,W) under a high background exponent.
        stride (int): Block size in pixels; sides that are not a multiple of it are zero-padded at
            the bottom and the right.
        min_score (float): A cell whose largest mean is below this is ignored.

    Returns:
        Tensor: (...,h,w) int64: 0 background, channel position 1..K, 255 uncertain.

    Raises:
        ValueError: The two maps differ in shape.
    """
    if la.shape != ha.shape:
        raise ValueError(f'la {tuple(la.shape)} and ha {tuple(ha.shape)} must have one shape')
    return labels_of_means(block_average(la, stride), block_average(ha, stride), min_score)


def labels_of_means(la: Tensor, ha: Tensor, min_score: float = 1e-5) -> Tensor:
    """:func:`affinity_labels` of maps (...,K+1,h,w) that have already been averaged."""
    label = la.argmax(-3)
    label = label.masked_fill(label == 0, IGNORE).masked_fill(ha.argmax(-3) == 0, 0)
    return label.masked_fill(torch.maximum(la, ha).amax(-3) < min_score, IGNORE)


def ir_labels(fg: Tensor, bg: Tensor) -> Tensor:
    """Merge the label maps of a high and of a low threshold (IRN).

    Args:
        fg (Tensor): (...,H,W) integer labels with the high threshold: trusted where not background.
        bg (Tensor): (...,H,W) integer labels with the low threshold: background is trusted where
            both agree on it.

    Returns:
        Tensor: (...,H,W) int64: 0 background, class, 255 uncertain.
    """
    fg = fg.long()
    return fg.masked_fill(fg == 0, IGNORE).masked_fill((fg == 0) & (bg == 0), 0)


def block_average(maps: Tensor, stride: int) -> Tensor:
    """Means over ``stride`` x ``stride`` blocks of (...,H,W) maps, zero-padded at the bottom and
    the right to full blocks.
    """
    height, width = maps.shape[-2:]
    maps = maps if maps.dtype == torch.float64 else maps.float()
    # -n % stride: padding of n to the next multiple
    maps = F.pad(maps, (0, -width % stride, 0, -height % stride))
    return maps.unflatten(-1, (-1, stride)).unflatten(-3, (-1, stride)).mean((-3, -1))


def block_average_first(maps: Tensor, stride: int) -> Tensor:
    """:func:`block_average` of maps whose first dimensions are rows and columns; it takes a fifth
    of the time.

    Args:
        maps (Tensor): (H,W,...), contiguous.
        stride (int): Side of a block in pixels.

    Returns:
        Tensor: (h,w,...) float32, or float64 for float64 maps.
    """
    height, width, *others = maps.shape
    maps = maps if maps.dtype == torch.float64 else maps.float()
    below, right = -height % stride, -width % stride
    if below or right:
        maps = F.pad(maps, (0, 0) * len(others) + (0, right, 0, below))
    rows, columns = maps.shape[0] // stride, maps.shape[1] // stride
    # two means over one axis each read memory in order, unlike one mean over both axes
    strips = maps.reshape(rows, stride, -1).mean(1)
    return strips.view(rows, columns, stride, *others).mean(2)


def background_plane(cams: Tensor, background: float | tuple[str, float]) -> Tensor:
    """Background score to stack before class activation maps.

    Args:
        cams (Tensor): (...,K,H,W) in [0,1]; K may be 0.
        background (float | tuple): A constant, or ``('alpha', a)`` for (1 - max_k cam_k)^a.

    Returns:
        Tensor: (...,1,H,W).

    Raises:
        ValueError: ``background`` has neither form.
    """
    shape = (*cams.shape[:-3], 1, *cams.shape[-2:])
    if isinstance(background, int | float):
        return cams.new_full(shape, background)
    if len(background) != 2 or background[0] != 'alpha':
        raise ValueError(f"background must be a number or ('alpha', exponent), got {background!r}")
    highest = cams.amax(-3, keepdim=True) if cams.shape[-3] else cams.new_zeros(shape)
    return (1 - highest) ** background[1]


class PairLabels(NamedTuple):
    """Boolean (...,P,M) maps of the pairs of two background cells, of two cells of the same
    foreground class, and of cells of different classes.
    """

    background: torch.Tensor
    foreground: torch.Tensor
    negative: torch.Tensor


def pair_labels(
    label: Tensor,
    radius: int,
    full_border: bool = False,
    *,
    offsets: Sequence[Offset] | None = None,
) -> PairLabels:
    """Labels of all pairs; a pair with an ignored cell (255) has none (PSA).

    Args:
        label (Tensor): (...,h,w) integers, 0 background, 255 ignore.
        radius (int): Cells.
        full_border (bool): See the module docstring.
        offsets (sequence, optional): (P,2) offsets below ``radius`` in another order; default
            :func:`pair_offsets`.

    Returns:
        PairLabels: Three boolean tensors (...,P,M).
    """
    offsets = pair_offsets(radius) if offsets is None else offsets
    grid = PairGrid(label.shape[-2:], radius, full_border)
    planes = label.new_zeros((3, *label.shape[:-2], len(offsets), *grid.plane), dtype=torch.bool)
    for index, offset in enumerate(offsets):
        for plane, mask in zip(planes[..., index, :, :], _pair_masks(label, grid, offset)):
            grid.pairs(plane, offset).copy_(mask)
    return PairLabels(*planes.flatten(-2))


def pair_counts(
    label: Tensor,
    radius: int,
    full_border: bool = False,
    *,
    offsets: Sequence[Offset] | None = None,
) -> Tensor:
    """Number of background, foreground and negative pairs in a batch of label maps (...,h,w).

    Under DDP, average these over the ranks and pass them to :func:`affinity_loss`: the averaged
    gradient is then that of the loss normalised over the whole batch of all ranks.

    Returns:
        Tensor: (3,) int64.
    """
    grid = PairGrid(label.shape[-2:], radius, full_border)
    counts = torch.zeros(3, dtype=torch.int64, device=label.device)
    for offset in pair_offsets(radius) if offsets is None else offsets:
        counts += torch.stack([mask.sum() for mask in _pair_masks(label, grid, offset)])
    return counts


def _pair_masks(
    label: Tensor, grid: PairGrid, offset: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    source, target = grid.source(label, offset), grid.target(label, offset)
    # a pair with an ignored cell has no label, whatever the other cell is
    sure = (source != IGNORE) & (target != IGNORE)
    same = (source == target) & sure
    background = same & (source == 0)
    return background, same & ~background, sure & ~same


# Affinities ---------------------------------------------------------------------------------------


def affinity_l1(features: Tensor, radius: int, full_border: bool = False) -> Tensor:
    """Affinity ``exp(-mean_d |f_i,d - f_j,d|)`` of all pairs (PSA).

    The D channels are compared offset by offset on shifted views and the comparison is recomputed
    in the backward pass, so that temporary memory does not depend on P. Half precision is converted
    to float32.

    Args:
        features (Tensor): (B,D,h,w).
        radius (int): Cells.
        full_border (bool): See the module docstring.

    Returns:
        Tensor: (B,P,M) in (0,1], offsets in the order of :func:`pair_offsets`; differentiable once.
    """
    features = features if features.dtype == torch.float64 else features.float()
    return _AffinityL1.apply(features, radius, full_border)


class _AffinityL1(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, radius: int, full_border: bool) -> Tensor:
        offsets, grid = pair_offsets(radius), PairGrid(features.shape[-2:], radius, full_border)
        affinity = features.new_zeros((len(features), len(offsets), *grid.plane))
        for index, offset in enumerate(offsets):
            difference = grid.source(features, offset) - grid.target(features, offset)
            grid.pairs(affinity[:, index], offset).copy_(difference.abs_().mean(1).neg_().exp_())
        affinity = affinity.flatten(2)
        ctx.save_for_backward(features, affinity)
        ctx.grid, ctx.offsets = grid, offsets
        return affinity

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_affinity: Tensor) -> tuple[Tensor, None, None]:
        features, affinity = ctx.saved_tensors
        slope = ctx.grid.split(grad_affinity * affinity).div(-features.shape[1])
        grad = torch.zeros_like(features)
        for index, offset in enumerate(ctx.offsets):
            step = (ctx.grid.source(features, offset) - ctx.grid.target(features, offset)).sign_()
            step *= ctx.grid.pairs(slope[:, index], offset).unsqueeze(1)
            ctx.grid.source(grad, offset).add_(step)
            ctx.grid.target(grad, offset).sub_(step)
        return grad, None, None


def affinity_edge(edge: Tensor, radius: int, full_border: bool = False) -> Tensor:
    """Affinity 1 - max of the boundary map on the line between the two cells (IRN).

    Computed as a running minimum of 1 - edge over shifted views; a path starts from the longest
    path inside it. The gradient goes to one cell that attains the maximum.

    Args:
        edge (Tensor): (B,h,w) class boundary probability in [0,1].
        radius (int): Cells.
        full_border (bool): See the module docstring; the same as padding the map with 1.

    Returns:
        Tensor: (B,P,M) in [0,1], offsets in the order of :func:`path_offsets`; differentiable once.
    """
    open_space = 1 - (edge if edge.dtype == torch.float64 else edge.float())
    if full_border:
        reach = radius - 1
        open_space = F.pad(open_space, (reach, reach, 0, reach))
    return _LineMinimum.apply(open_space, radius)


class _LineMinimum(torch.autograd.Function):
    """Minimum of (B,h,w) maps over each line path: (B,P,M)."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, radius: int) -> Tensor:
        grid, tree = PairGrid(maps.shape[-2:], radius, False), _path_tree(radius)
        lowest = maps.new_zeros((len(maps), len(tree), *grid.plane))
        for plane, (parent, cells) in zip(lowest.unbind(1), tree):
            plane.copy_(grid.target(maps, cells[0]) if parent is None else lowest[:, parent])
            for cell in cells:
                torch.minimum(plane, grid.target(maps, cell), out=plane)
        lowest = lowest.flatten(2)
        ctx.save_for_backward(maps, lowest)
        ctx.grid, ctx.tree = grid, tree
        return lowest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_lowest: Tensor) -> tuple[Tensor, None]:
        maps, lowest = ctx.saved_tensors
        lowest = ctx.grid.split(lowest)
        pending = ctx.grid.split(grad_lowest).clone()
        grad = torch.zeros_like(maps)
        # a parent has a shorter path, hence a lower index
        for index in reversed(range(len(ctx.tree))):
            parent, cells = ctx.tree[index]
            for cell in cells:
                attained = pending[:, index] * (ctx.grid.target(maps, cell) == lowest[:, index])
                ctx.grid.target(grad, cell).add_(attained)
                pending[:, index] -= attained
            if parent is not None:
                pending[:, parent] += pending[:, index]
        return grad, None


# Losses -------------------------------------------------------------------------------------------


class AffinityLoss(NamedTuple):
    """Weighted sum (scalar) and its background, foreground and negative terms."""

    total: torch.Tensor
    background: torch.Tensor
    foreground: torch.Tensor
    negative: torch.Tensor


def affinity_loss(
    affinity: Tensor,
    label: Tensor,
    radius: int,
    full_border: bool = False,
    *,
    offsets: Sequence[Offset] | None = None,
    counts: Tensor | None = None,
    eps: float = 1e-5,
) -> AffinityLoss:
    """Log loss of pair affinities, each kind of pair normalised by its number in the whole batch
    (PSA and IRN).

    total = background/4 + foreground/4 + negative/2. Pair labels and logarithms are computed
    offset by offset, and recomputed in the backward pass.

    Args:
        affinity (Tensor): (B,P,M) in [0,1].
        label (Tensor): (B,h,w) integers, 0 background, 255 ignore.
        radius (int): Cells.
        full_border (bool): As for ``affinity``.
        offsets (sequence, optional): Offsets of the P planes; default :func:`pair_offsets`.
        counts (Tensor, optional): (3,) numbers to normalise by; default those of this batch
            (:func:`pair_counts`).
        eps (float): Added inside the logarithms and to the counts.

    Returns:
        AffinityLoss: Four scalars.
    """
    offsets = pair_offsets(radius) if offsets is None else offsets
    grid = PairGrid(label.shape[-2:], radius, full_border)
    if counts is None:
        counts = pair_counts(label, radius, full_border, offsets=offsets)

    def sums(plane: Tensor, offset: tuple[int, int]) -> Tensor:
        plane = grid.pairs(plane, offset)
        background, foreground, negative = _pair_masks(label, grid, offset)
        positive = -torch.log(plane + eps)
        return torch.stack(
            [
                (positive * background).sum(),
                (positive * foreground).sum(),
                (-torch.log(1 + eps - plane) * negative).sum(),
            ]
        )

    total = affinity.new_zeros(3)
    for plane, offset in zip(grid.split(affinity).unbind(1), offsets):
        total = total + checkpoint(
            sums, plane, offset, use_reentrant=False, preserve_rng_state=False
        )
    background, foreground, negative = total / (counts.to(total.dtype) + eps)
    return AffinityLoss(
        background / 4 + foreground / 4 + negative / 2, background, foreground, negative
    )


def displacement_loss(
    displacement: Tensor,
    label: Tensor,
    radius: int,
    *,
    counts: Tensor | None = None,
    eps: float = 1e-5,
) -> tuple[Tensor, Tensor]:
    """IRN's displacement losses: the vectors of a foreground pair should differ by its offset,
    those of a background pair should be equal.

    Args:
        displacement (Tensor): (B,2,h,w) vectors (dy, dx) in cells.
        label (Tensor): (B,h,w) integers, 0 background, 255 ignore.
        radius (int): Cells.
        counts (Tensor, optional): (3,) numbers of pairs to normalise by; default those of this
            batch.
        eps (float): Added to the counts.

    Returns:
        tuple[Tensor, Tensor]: Foreground and background term, scalars.
    """
    offsets = path_offsets(radius)
    grid = PairGrid(label.shape[-2:], radius, False)
    if counts is None:
        counts = pair_counts(label, radius, offsets=offsets)
    displacement = displacement if displacement.dtype == torch.float64 else displacement.float()

    def sums(vectors: Tensor, offset: tuple[int, int]) -> Tensor:
        difference = grid.source(vectors, offset) - grid.target(vectors, offset)
        background, foreground, _ = _pair_masks(label, grid, offset)
        # two cells of an object both point to its centre, so their vectors differ by the offset
        along = (difference[:, axis] - step for axis, step in enumerate(offset))
        wrong = torch.stack(tuple(along), 1).abs() * foreground.unsqueeze(1)
        return torch.stack([wrong.sum(), (difference.abs() * background.unsqueeze(1)).sum()])

    total = displacement.new_zeros(2)
    for offset in offsets:
        total = total + checkpoint(
            sums, displacement, offset, use_reentrant=False, preserve_rng_state=False
        )
    # counts start with the background; each pair has two components
    foreground, background = total / (2 * counts[:2].flip(0).to(total.dtype) + eps)
    return foreground, background
