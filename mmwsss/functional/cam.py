"""Class activation maps from attention and patch class maps (MCTformer+ section III)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .regions import box_masks


def fuse_cams(
    class_attention: Tensor,
    patch_cams: Tensor | None,
    map_type: str = 'fused',
    *,
    sqrt: bool = True,
) -> Tensor:
    """Combine class attention and patch class maps.

    Args:
        class_attention (Tensor): (B,K,h,w), class token rows of the attention, >= 0.
        patch_cams (Tensor | None): (B,K,h,w) raw maps of the patch head.
        map_type (str): ``'fused'`` product of both, ``'mct'`` attention only, ``'patchcam'`` ReLU
            of the patch maps.
        sqrt (bool): Square root of the fused product (MCTformer+; V2 has none).

    Returns:
        Tensor: (B,K,h,w), >= 0. Products of half-precision maps are computed in float32; without
            the square root they remain float32, since they may exceed the largest float16.
    """
    if map_type == 'mct':
        return class_attention
    if map_type not in ('fused', 'patchcam'):
        raise ValueError(f"map_type must be 'fused', 'mct' or 'patchcam', got {map_type!r}")
    if patch_cams is None:
        raise ValueError(
            f"map_type {map_type!r} needs a patch head; a model without one only has 'mct'"
        )
    patch_cams = patch_cams.relu()
    if map_type == 'patchcam':
        return patch_cams
    dtype = torch.promote_types(class_attention.dtype, patch_cams.dtype)
    wide = torch.promote_types(dtype, torch.float32)
    fused = class_attention.to(wide) * patch_cams.to(wide)
    if not sqrt:
        return fused
    # the derivative of the root is infinite at 0, so zeros receive no gradient
    positive = fused > 0
    return torch.where(positive, torch.where(positive, fused, 1).sqrt(), 0).to(dtype)


def refine_with_affinity(cams: Tensor, affinity: Tensor, *, side: str = 'Am') -> Tensor:
    """Propagate maps along the patch affinity.

    Args:
        cams (Tensor): (B,K,h,w).
        affinity (Tensor): (B,N,N), rows are queries; not normalised.
        side (str): ``'Am'``: each query gathers what it attends to, ``out[q] = sum_k affinity[q,k]
            cam[k]`` (MCTformer+ Eq. 6, the released ACR code); ``'mA'``: each query scatters to
            what it attends to, ``out[k] = sum_q cam[q] affinity[q,k]`` (ACR Eq. 8 as printed).

    Returns:
        Tensor: (B,K,h,w).
    """
    if side not in ('Am', 'mA'):
        raise ValueError(f"side must be 'Am' or 'mA', got {side!r}")
    return torch.bmm(
        cams.flatten(2), affinity.transpose(1, 2) if side == 'Am' else affinity
    ).view_as(cams)


def refine_in_boxes(
    cams: Tensor, affinity: Tensor, *, threshold: float = 0.4, rounds: int = 3
) -> Tensor:
    """Propagate maps along a balanced affinity, each restricted to the boxes of its regions
    (CLIP-ES, CVPR 2023, Eq. 5 and 6).

    The affinity becomes doubly stochastic by Sinkhorn normalisation, symmetric by the mean with its
    transpose, and is squared. The released code ends a box at a border one cell before it.

    Args:
        cams (Tensor): (B,K,h,w), their minima 0.
        affinity (Tensor): (B,N,N) > 0, at any scale.
        threshold (float): Threshold of the regions, as a fraction of the maximum.
        rounds (int): Number of normalisations of columns and rows.

    Returns:
        Tensor: (B,K,h,w).
    """
    for _ in range(rounds):
        affinity = affinity / affinity.sum(1, keepdim=True)
        affinity = affinity / affinity.sum(2, keepdim=True)
    affinity = (affinity + affinity.transpose(1, 2)) / 2
    inside = (cams * box_masks(cams, threshold)).flatten(2)
    # two products with K rows are cheaper than squaring the N x N matrix
    return torch.bmm(torch.bmm(inside, affinity), affinity).view_as(cams)


def resize_maps(
    maps: Tensor,
    size: Sequence[int],
    *,
    mode: str = 'bilinear',
    align_corners: bool = False,
) -> Tensor:
    """Resize any number of maps, including zero.

    Args:
        maps: (B,K,h,w); K may be 0, which :func:`torch.nn.functional.interpolate` refuses.
        size: (H,W); maps of that size are returned as they are.
        mode: ``'bilinear'`` or ``'bicubic'``.
        align_corners: See :func:`torch.nn.functional.interpolate`.

    Returns:
        (B,K,H,W).
    """
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    if not maps.numel():
        return maps.new_zeros(*maps.shape[:2], *size)
    return F.interpolate(maps, size=tuple(size), mode=mode, align_corners=align_corners)


def minmax_normalize(cams: Tensor, eps: float = 1e-8) -> Tensor:
    """Min-max per map over its pixels: ``(x-min)/(max-min+eps)``; a map that is constant, exactly
    or up to rounding, becomes 0.

    Args:
        cams (Tensor): (...,H,W).

    Returns:
        Tensor: Same shape, in [0,1].
    """
    low, high = cams.amin((-2, -1), keepdim=True), cams.amax((-2, -1), keepdim=True)
    span = high - low
    # an interpolated constant varies in its last bits, which a division by its range would amplify
    rounding = 8 * torch.finfo(cams.dtype).eps * torch.maximum(low.abs(), high.abs())
    # division by infinity gives 0 without a second pass over the maps
    return (cams - low) / (span + eps).masked_fill(span <= rounding, float('inf'))
