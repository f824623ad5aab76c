"""Rotary positions of the patches of a vision transformer (RoPE, Su et al., 2021, in two axes)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mmwsss.utils.transfer import send


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


class RandomPlaces(NamedTuple):
    """Random change of the places of all patches in training (DINOv3, arXiv 2508.10104), which
    makes a network less dependent on the size of images. None leaves a part out.

    Attributes:
        shift (float | None): Largest shift of an axis, >= 0, in the unit of the rule: half an image
            (``dinov3``) or a cell of the reference grid (``eva02``).
        jitter (float | None): Largest factor of an axis, >= 1; its inverse is the smallest.
        rescale (float | None): Largest factor of both axes together, >= 1; its inverse is the
            smallest (DINOv3: 2).
    """

    shift: float | None = None
    jitter: float | None = None
    rescale: float | None = None


RULES = dict(
    dinov3=RotaryRule(100.0, None, False),  # arXiv 2508.10104
    eva02=RotaryRule(10000.0, 16, True),  # arXiv 2303.11331
)


def draw_places(places: RandomPlaces, device: torch.device | str = 'cpu') -> Tensor:
    """Draw the change of one forward pass: a shift is uniform, the logarithm of a factor is
    uniform, and the factors of jitter and rescaling are multiplied.

    The numbers come from the generator of the host and are sent without waiting, so that a seed
    gives the same numbers on every device. A compiled graph draws on the device instead: a graph
    that is recorded and replayed could not receive numbers from the host.

    Args:
        places (RandomPlaces): Ranges.
        device (torch.device | str): Device of the result.

    Returns:
        Tensor: (2,2) float32, shifts of rows and columns, then their factors.
    """
    source = device if torch.compiler.is_compiling() else 'cpu'

    def uniform(largest: float, count: int) -> Tensor:
        return torch.empty(count, device=source).uniform_(-largest, largest)

    shifts, factors = torch.zeros(2, device=source), torch.ones(2, device=source)
    if places.shift is not None:
        shifts = uniform(places.shift, 2)
    if places.jitter is not None:
        factors = uniform(math.log(places.jitter), 2).exp()
    if places.rescale is not None:
        factors = factors * uniform(math.log(places.rescale), 1).exp()
    return send(torch.stack([shifts, factors]), device)


def rotary_table(
    grid: Sequence[int],
    width: int,
    rule: RotaryRule,
    *,
    others: tuple[int, int] = (0, 0),
    change: Tensor | None = None,
    like: Tensor | None = None,
) -> Tensor:
    """Cosines and sines of a grid of patches, the first half of the angles by rows.

    Args:
        grid (Sequence[int]): (h,w).
        width (int): d, width of a head, a multiple of 4.
        rule (RotaryRule): Rule of the network.
        others (tuple[int, int]): Numbers of tokens before and after the patches, which are not
            rotated.
        change (Tensor, optional): (2,2) of :func:`draw_places`: shifts of rows and columns, which
            are added to the places, then factors.
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
    for axis, side in enumerate(grid):
        places = torch.arange(side, device=like.device, dtype=dtype)
        if rule.reference is None:
            places = 2 * (places + 0.5) / side - 1
        else:
            places = places / side * rule.reference
        if change is not None:
            places = (places + change[0, axis].to(dtype)) * change[1, axis].to(dtype)
        if rule.reference is None:
            places = 2 * torch.pi * places
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
