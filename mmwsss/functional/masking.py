"""Masks that hide part of an image from a transformer, and whether the visible part shows the
tagged objects (MCC section III-C).
"""

from collections.abc import Sequence
from math import gcd

import torch
from torch import Tensor

from .pseudo_labels import gated_maximum


def sample_key_masks(
    batch: int,
    num_masks: int,
    grid: Sequence[int],
    *,
    scale: int = 4,
    ratio: float = 0.75,
    device: torch.device | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Random masks of square cells, each of which is hidden independently of the others.

    Args:
        batch (int): B.
        num_masks (int): M, masks of each image.
        grid (tuple[int]): (h,w) tokens.
        scale (int): Side of a cell in tokens; h and w must be multiples of it.
        ratio (float): Probability in [0,1] that a cell is hidden (0.75 in the paper, 0.95 in the
            released code).
        device (torch.device, optional): Device of the result and of the random numbers.
        generator (torch.Generator, optional): Source of the random numbers.

    Returns:
        Tensor: (B,M,h,w) bool, True is hidden. A mask may hide everything or nothing.

    Raises:
        ValueError: The cells do not fit the grid. The message lists the sizes that do.
    """
    h, w = grid
    if scale < 1 or h % scale or w % scale:
        valid = [side for side in range(1, gcd(h, w) + 1) if h % side == w % side == 0]
        raise ValueError(
            f'a grid of {h}x{w} tokens cannot be cut into cells of {scale}x{scale}: the mask '
            f'scale can be '
            f'{", ".join(map(str, valid))} for this crop and patch size'
        )
    if not 0 <= ratio <= 1:
        raise ValueError(f'the mask ratio must be between 0 and 1, got {ratio}')
    cells = (
        torch.rand(batch, num_masks, h // scale, w // scale, device=device, generator=generator)
        < ratio
    )
    return cells.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


def object_roi(cams: Tensor, tags: Tensor, low: float = 0.25, high: float = 0.7) -> Tensor:
    """Certainty that a position belongs to a tagged object: 0 background, 1 uncertain, 2 object.

    Args:
        cams (Tensor): (B,C,h,w) in about [0,1].
        tags (Tensor): (B,C) multi-hot; an image without tags is background.
        low, high (float): Background up to ``low``, object from ``high``.

    Returns:
        Tensor: (B,h,w) in the dtype of the maps.
    """
    value = gated_maximum(cams, tags)[0]
    return (value > low).to(cams) + (value >= high).to(cams)


def visible_object_flags(roi: Tensor, key_masks: Tensor, min_object: float = 0.2) -> Tensor:
    """Flags of the masked views that show the tagged objects (MCC Eq. 8-9).

    Args:
        roi (Tensor): (B,h,w) from :func:`object_roi`.
        key_masks (Tensor): (B,M,h,w) bool, True is hidden.
        min_object (float): Threshold in [0,2] on the mean ``roi`` of the visible positions, which a
            positive view exceeds.

    Returns:
        Tensor: (B,M) bool; a view that shows nothing is negative.
    """
    visible = (~key_masks).to(roi)
    return (visible * roi[:, None]).sum((2, 3)) > min_object * visible.sum((2, 3))
