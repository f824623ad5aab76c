"""Views of an image and their inverses on attention maps: flips, quarter turns, transposition,
resizing and their compositions (ACR Eq. 3-5).

Shapes: B batch, T class tokens first, N = hw patch tokens in row-major order on the grid of the
image, N' = h'w' on that of the view; rows of an attention matrix are queries. A view is the name
of a step or a tuple of names, first step first; ``'rot90'`` turns counter-clockwise as
:func:`numpy.rot90` does. At most one step is ``'resize'``: the grid of the view gives its size.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

View = str | Sequence[str]  # a step, or several in the order of their application

VIEW_STEPS = ('hflip', 'vflip', 'rot90', 'rot180', 'rot270', 'transpose', 'resize')
SWAPPING_STEPS = ('rot90', 'rot270', 'transpose')  # an h x w grid becomes w x h
INVERSES = dict(
    hflip='hflip',
    vflip='vflip',
    rot90='rot270',
    rot180='rot180',
    rot270='rot90',
    transpose='transpose',
)


def view_steps(view: View) -> tuple[str, ...]:
    """The steps of a view as a tuple.

    Args:
        view (str | Sequence[str]): Steps of :data:`VIEW_STEPS`; empty for the image as it is.

    Raises:
        ValueError: An unknown step, or more than one ``'resize'``.
    """
    steps = (view,) if isinstance(view, str) else tuple(view)
    unknown = [step for step in steps if step not in VIEW_STEPS]
    if unknown:
        raise ValueError(f'unknown step {unknown[0]!r} of a view; steps: {", ".join(VIEW_STEPS)}')
    if steps.count('resize') > 1:
        raise ValueError(f'a view can be resized once, got {steps}')
    return steps


def view_grid(grid: Sequence[int], view: View) -> tuple[int, int]:
    """Grid (h',w') of a view of an image with ``grid`` (h,w); ``'resize'`` has no effect here,
    because its size is unknown.
    """
    swaps = sum(step in SWAPPING_STEPS for step in view_steps(view))
    h, w = grid
    return (h, w) if swaps % 2 == 0 else (w, h)


def apply_step(planes: Tensor, step: str) -> Tensor:
    """Apply a step other than ``'resize'`` to (...,h,w); any dtype."""
    if step == 'hflip':
        return planes.flip(-1)
    if step == 'vflip':
        return planes.flip(-2)
    if step == 'rot180':
        return planes.flip((-2, -1))
    if step == 'transpose':
        return planes.transpose(-2, -1)
    return planes.rot90(1 if step == 'rot90' else -1, (-2, -1))


def make_view(planes: Tensor, view: View, *, size: Sequence[int] | None = None) -> Tensor:
    """The view of images.

    Args:
        planes (Tensor): (...,3,H,W); floating point where the view is resized.
        view (str | Sequence[str]): Steps.
        size (tuple[int], optional): (H',W') after ``'resize'``, bilinear with antialiasing.

    Returns:
        Tensor: (...,3,H',W').
    """
    for step in view_steps(view):
        if step != 'resize':
            planes = apply_step(planes, step)
        elif size is None:
            raise ValueError("a view with 'resize' needs its size")
        else:
            flat = planes.reshape(-1, *planes.shape[-3:])
            resized = F.interpolate(
                flat, size=tuple(size), mode='bilinear', align_corners=False, antialias=True
            )
            planes = resized.reshape(*planes.shape[:-2], *size)
    return planes


def source_tokens(grid: Sequence[int], view: View) -> Tensor:
    """(N,) int64: the original token that each token of a view shows (no ``'resize'``)."""
    h, w = grid
    ids = torch.arange(h * w).reshape(h, w)
    for step in view_steps(view):
        if step == 'resize':
            raise ValueError("tokens of a view with 'resize' have no single source")
        ids = apply_step(ids, step)
    return ids.reshape(-1)


def token_positions(grid: Sequence[int], views: View | list[View]) -> Tensor:
    """Position at which a view shows each original token (no ``'resize'``).

    Args:
        grid (tuple[int]): (h,w) of the image.
        views (str | tuple[str] | list): Steps; or a list with those of each of B images.

    Returns:
        Tensor: (N,) int64, or (B,N) for a list.
    """
    if isinstance(views, list):
        steps = [view_steps(view) for view in views]
        known = {distinct: token_positions(grid, distinct) for distinct in set(steps)}
        return torch.stack([known[one] for one in steps])
    return source_tokens(grid, views).argsort()


def gather_tokens(
    attention: Tensor, positions: Tensor, *, rows: bool = True, num_class_tokens: int = 0
) -> Tensor:
    """Undo a permutation of tokens by index: ``out[q,k] = attention[pos[q],pos[k]]``.

    Args:
        attention (Tensor): (...,R,T+N); with per-sample positions its first axis is B.
        positions (Tensor): (N,) or (B,N), see :func:`token_positions`.
        rows (bool): Rows are tokens too, R = T+N; else only keys are reordered (class rows).
        num_class_tokens (int): T, tokens in front that stay where they are.

    Returns:
        Tensor: Same shape.
    """
    positions = positions.to(attention.device) + num_class_tokens
    first = torch.arange(num_class_tokens, device=attention.device).expand(
        *positions.shape[:-1], -1
    )
    index = torch.cat([first, positions], -1)
    if index.dim() == 1:
        return attention[..., index[:, None], index] if rows else attention[..., index]
    shape = (len(index), *[1] * (attention.dim() - 3))
    if rows:  # the row axis, then the key axis
        attention = attention.gather(-2, index.view(*shape, -1, 1).expand_as(attention))
    return attention.gather(-1, index.view(*shape, 1, -1).expand_as(attention))


def undo_view(planes: Tensor, grid: Sequence[int], view: View) -> Tensor:
    """Bring maps of a view back to the grid of the image, last step first.

    Args:
        planes (Tensor): (...,h',w'), floating point where the view is resized.
        grid (tuple[int]): (h,w) of the image.
        view (str | Sequence[str]): Steps.

    Returns:
        Tensor: (...,h,w); resizing is bilinear (align_corners=False) and keeps the scale of the
            values.
    """
    steps = view_steps(view)
    for number, step in reversed(list(enumerate(steps))):
        if step == 'resize':
            before = view_grid(grid, steps[:number])
            flat = planes.reshape(-1, 1, *planes.shape[-2:])
            planes = F.interpolate(flat, size=before, mode='bilinear', align_corners=False).reshape(
                *planes.shape[:-2], *before
            )
        else:
            planes = apply_step(planes, INVERSES[step])
    if tuple(planes.shape[-2:]) != tuple(grid):
        raise ValueError(
            f'undoing {steps} gives a grid of {tuple(planes.shape[-2:])}, not {tuple(grid)}; is '
            f'the grid of the view right?'
        )
    return planes


def undo_on_keys(
    attention: Tensor,
    grid: Sequence[int],
    view: View | list[View],
    *,
    grid_of_view: Sequence[int] | None = None,
    mass_preserving: bool = True,
) -> Tensor:
    """Undo a view on the key axis, for rows that are not patches (class-to-patch attention).

    Args:
        attention (Tensor): (...,N').
        grid (tuple[int]): (h,w) of the image.
        view (str | tuple[str] | list): Steps; a list has those of each of B images, the first axis
            of ``attention``.
        grid_of_view (tuple[int], optional): (h',w'); needed with ``'resize'``, else it follows from
            ``grid``.
        mass_preserving (bool): Multiply by N'/N: a row then approximately keeps its sum where the
            view has more or fewer keys.

    Returns:
        Tensor: (...,N).
    """
    if isinstance(view, list):
        return _undo_each(undo_on_keys, attention, grid, view, grid_of_view, mass_preserving)
    grid_of_view = _grid_of_view(attention.shape[-1], grid, view, grid_of_view)
    undone = undo_view(attention.unflatten(-1, grid_of_view), grid, view).flatten(-2)
    scale = attention.shape[-1] / undone.shape[-1]
    return undone * scale if mass_preserving and scale != 1 else undone


def undo_on_queries(
    attention: Tensor,
    grid: Sequence[int],
    view: View,
    *,
    grid_of_view: Sequence[int] | None = None,
) -> Tensor:
    """Undo a view on the query axis alone: (...,N',R) -> (...,N,R). See :func:`undo_on_keys`."""
    swapped = undo_on_keys(
        attention.transpose(-2, -1), grid, view, grid_of_view=grid_of_view, mass_preserving=False
    )
    return swapped.transpose(-2, -1)


def undo_on_affinity(
    attention: Tensor,
    grid: Sequence[int],
    view: View | list[View],
    *,
    grid_of_view: Sequence[int] | None = None,
    mass_preserving: bool = True,
) -> Tensor:
    """Undo a view on both axes of patch-to-patch attention: ``M A' M^T`` with M the permutation or
    bilinear matrix, which is never built.

    Args:
        attention (Tensor): (...,N',N').
        grid, view, grid_of_view, mass_preserving: See :func:`undo_on_keys`.

    Returns:
        Tensor: (...,N,N).
    """
    if isinstance(view, list):
        return _undo_each(undo_on_affinity, attention, grid, view, grid_of_view, mass_preserving)
    if view_steps(view) == ('hflip',):  # both axes in one copy
        h, w = grid
        return (
            attention.unflatten(-1, (h, w))
            .unflatten(-3, (h, w))
            .flip((-1, -3))
            .flatten(-2)
            .flatten(-3, -2)
        )
    attention = undo_on_queries(attention, grid, view, grid_of_view=grid_of_view)
    return undo_on_keys(
        attention, grid, view, grid_of_view=grid_of_view, mass_preserving=mass_preserving
    )


def undo_on_attention(
    attention: Tensor,
    grid: Sequence[int],
    view: View,
    *,
    num_class_tokens: int = 1,
    grid_of_view: Sequence[int] | None = None,
    mass_preserving: bool = True,
) -> Tensor:
    """Undo a view on a whole attention matrix, class tokens first: f^-1 of ACR.

    Class tokens have no position in the image: their block is unchanged, their rows are undone on
    the keys, and their columns on the queries.

    Args:
        attention (Tensor): (...,T+N',T+N').
        num_class_tokens (int): T.
        grid, view, grid_of_view, mass_preserving: See :func:`undo_on_keys`.

    Returns:
        Tensor: (...,T+N,T+N).
    """
    classes, patches = slice(0, num_class_tokens), slice(num_class_tokens, None)
    options: dict[str, Any] = dict(grid_of_view=grid_of_view)
    weighted = dict(options, mass_preserving=mass_preserving)
    of_class = torch.cat(
        [
            attention[..., classes, classes],
            undo_on_keys(attention[..., classes, patches], grid, view, **weighted),
        ],
        -1,
    )
    of_patches = torch.cat(
        [
            undo_on_queries(attention[..., patches, classes], grid, view, **options),
            undo_on_affinity(attention[..., patches, patches], grid, view, **weighted),
        ],
        -1,
    )
    return torch.cat([of_class, of_patches], -2)


def _undo_each(
    undo: Callable[..., Tensor],
    attention: Tensor,
    grid: Sequence[int],
    views: list[View],
    grid_of_view: Sequence[int] | None,
    mass_preserving: bool,
) -> Tensor:
    """Undo the view of each sample, in one operation where all views are the same or permutations,
    otherwise one by one.
    """
    if len(views) != len(attention):
        raise ValueError(f'{len(attention)} samples need as many views, got {len(views)}')
    options = dict(grid_of_view=grid_of_view, mass_preserving=mass_preserving)
    distinct = {view_steps(view) for view in views}
    if len(distinct) == 1:
        return undo(attention, grid, views[0], **options)
    if not any('resize' in steps for steps in distinct):
        for steps in distinct:
            _grid_of_view(attention.shape[-1], grid, steps, None)
        return gather_tokens(attention, token_positions(grid, views), rows=undo is undo_on_affinity)
    return torch.cat(
        [undo(sample[None], grid, view, **options) for sample, view in zip(attention, views)]
    )


def _grid_of_view(
    num_tokens: int, grid: Sequence[int], view: View, grid_of_view: Sequence[int] | None
) -> tuple[int, int]:
    if grid_of_view is None:
        if 'resize' in view_steps(view):
            raise ValueError("undoing a view with 'resize' needs grid_of_view, its grid")
        grid_of_view = view_grid(grid, view)
    h, w = (int(side) for side in grid_of_view)
    if h * w != num_tokens:
        raise ValueError(
            f'a view with a grid of {h}x{w} has {h * w} patch tokens, the attention {num_tokens}'
        )
    return h, w
