"""Rotary positions of the patches of a vision transformer (RoPE, Su et al., 2021, in two axes)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class RotaryRule(NamedTuple):
    """Rule by which a network turns the position of a patch into angles.

    Attributes:
        base (float): The frequencies of an axis are ``base ** (-i / n)``, i = 0..n-1.
        reference (int | None): Row y of h rows is at ``y * reference / h``; None: at the centre of
            the row in [-1,1], and a frequency counts turns, not radians.
        interleaved (bool): Channels 2i and 2i+1 are a pair, else channels i and i + d/2.
    """

    base: float
    reference: int | None
    interleaved: bool


RULES = dict(
    dinov3=RotaryRule(100.0, None, False),  # arXiv 2508.10104
    eva02=RotaryRule(10000.0, 16, True),  # arXiv 2303.11331
)


def rotary_table(
    grid: Sequence[int],
    width: int,
    rule: RotaryRule,
    *,
    others: tuple[int, int] = (0, 0),
    like: Tensor | None = None,
) -> Tensor:
    """Cosines and sines of a grid of patches, the first half of the angles by rows.

    Args:
        grid (Sequence[int]): (h,w).
        width (int): d, width of a head, a multiple of 4.
        rule (RotaryRule): Rule of the network.
        others (tuple[int, int]): Numbers of tokens before and after the patches, which are not
            rotated.
        like (Tensor, optional): Tensor that determines the device and the data type, at least
            float32.

    Returns:
        Tensor: (2,T+h*w+R,d).
    """
    like = torch.empty(0) if like is None else like
    dtype = torch.promote_types(like.dtype, torch.float32)
    bands = width // 4
    steps = torch.arange(bands, device=like.device, dtype=dtype) / bands
    frequencies = rule.base**-steps
    axes = []
    for side in grid:
        places = torch.arange(side, device=like.device, dtype=dtype)
        if rule.reference is None:
            places = 2 * torch.pi * (2 * (places + 0.5) / side - 1)
        else:
            places = places / side * rule.reference
        axes.append(places[:, None] * frequencies)
    rows, columns = axes
    angles = torch.cat(
        [
            rows[:, None].expand(-1, len(columns), -1),
            columns[None].expand(len(rows), -1, -1),
        ],
        2,
    ).flatten(0, 1)
    angles = angles.repeat_interleave(2, 1) if rule.interleaved else angles.repeat(1, 2)
    around = (0, 0, *others)
    return torch.stack([F.pad(angles.cos(), around, value=1.0), F.pad(angles.sin(), around)])


def rotate(x: Tensor, table: Tensor, rule: RotaryRule) -> Tensor:
    """Rotate pairs of channels of queries or keys.

    Args:
        x (Tensor): (...,S,d).
        table (Tensor): (2,S,d), or with axes that broadcast to those of ``x`` in between.
        rule (RotaryRule): Rule of the table.

    Returns:
        Tensor: (...,S,d) in the type of ``x``.
    """
    cosines, sines = table
    if rule.interleaved:
        turned = torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)
    else:
        first, second = x.chunk(2, -1)
        turned = torch.cat([-second, first], -1)
    return (x * cosines + turned * sines).to(x.dtype)
