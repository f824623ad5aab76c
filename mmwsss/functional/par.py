"""Pixel-adaptive refinement: each score becomes a weighted mean of 48 dilated neighbours, with
weights from the colours of the image.

Source: Ru et al., "Learning Affinity from Attention" (AFA, CVPR 2022), also used by ToCo, MCC and
AReAM (Eq. 13-15).

The plain form stacks 48 shifted copies of the mask in every iteration. Here the weights are
computed once per image, in blocks of rows, and each iteration streams over the neighbours with a
running sum: memory does not grow with neighbours times channels.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.utils.transfer import send

DILATIONS = (1, 2, 4, 8, 12, 24)
_EPS = 1e-8
# elements of one block of rows: they fit in the cache and bound the memory
_CPU_BLOCK, _GPU_BLOCK = 1 << 19, 1 << 28
_GPU_WEIGHT_BYTES = 1 << 30  # bytes of the weights that are held at once on an accelerator


def neighbour_offsets(dilations: Sequence[int] = DILATIONS) -> list[tuple[int, int]]:
    """Offsets (dy, dx) of the 8 neighbours of each dilation: dilation-major, then row-major without
    the centre.
    """
    steps = [step for step in product((-1, 0, 1), repeat=2) if step != (0, 0)]
    return [(dy * dilation, dx * dilation) for dilation in dilations for dy, dx in steps]


def position_weights(dilations: Sequence[int] = DILATIONS, scale: float = 0.3) -> list[float]:
    """Softmax of ``-(distance / std / scale)^2`` over the neighbours, as a list of floats (constant
    in space; AReAM Eq. 14).
    """
    distances = [math.hypot(dy, dx) for dy, dx in neighbour_offsets(dilations)]
    mean = math.fsum(distances) / len(distances)
    std = math.sqrt(
        math.fsum((distance - mean) ** 2 for distance in distances) / (len(distances) - 1)
    )
    # in float64, as the weights are computed once; the standard deviation gets the same _EPS as
    # that of the colours
    scores = [math.exp(-((distance / (std + _EPS) / scale) ** 2)) for distance in distances]
    return [score / math.fsum(scores) for score in scores]


@lru_cache(maxsize=64)
def _position_table(
    dilations: tuple[int, ...], scale: float, dtype: torch.dtype, device: torch.device
) -> Tensor:
    return send(torch.tensor(position_weights(dilations, scale), dtype=dtype), device)


@torch.no_grad()
def par_weights(
    images: Tensor,
    dilations: Sequence[int] = DILATIONS,
    *,
    color_scale: float = 0.3,
    position_scale: float = 0.3,
    color_weight: float = 1.0,
    position_weight: float = 0.01,
    normalize_kernel: bool = False,
) -> Tensor:
    """Weights of the neighbours of every pixel (AReAM Eq. 13-15 as in the released code).

    Args:
        images (Tensor): (B,3,H,W), any linear scale (it cancels); float64 stays float64, everything
            else is computed in float32.
        dilations (tuple[int]): Distances of the rings of 8 neighbours.
        color_scale, position_scale (float): c of the two exponents, smaller is sharper.
        color_weight, position_weight (float): Factors of the colour and the position softmax. The
            weights of a pixel sum to ``color_weight + position_weight``: 1.01 by default, so that
            scores grow by 1.01 in each iteration.
        normalize_kernel (bool): Divide by that sum.

    Returns:
        Tensor: (B,S,H,W) with S = 8 x dilations, in the order of :func:`neighbour_offsets`.
    """
    images = _as_float(images)
    batch, channels, height, width = images.shape
    offsets, pad = neighbour_offsets(dilations), max(dilations)
    padded = F.pad(images, (pad,) * 4, mode='replicate')
    position = _position_table(tuple(dilations), position_scale, images.dtype, images.device)
    position = (position * position_weight).view(1, -1, 1, 1)
    weights = torch.empty(
        batch,
        len(offsets),
        height,
        width,
        dtype=images.dtype,
        device=images.device,
        memory_format=torch.channels_last,
    )
    by_pixel = weights.permute(0, 2, 3, 1).flatten(1, 2)
    block = _CPU_BLOCK if images.device.type == 'cpu' else _GPU_BLOCK
    rows = max(1, block // (batch * len(offsets) * channels * width))
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        # differences to the centre: exactly 0 in flat regions, and their variance is that of the
        # neighbours themselves
        difference = torch.stack(
            [
                padded[..., pad + dy + top : pad + dy + bottom, pad + dx : pad + dx + width]
                for dy, dx in offsets
            ],
            1,
        )
        difference.sub_(images[:, None, :, top:bottom])
        variance = (
            (difference - difference.mean(1, keepdim=True))
            .square_()
            .sum(1, keepdim=True)
            .div_(len(offsets) - 1)
        )
        difference.div_(variance.sqrt_().add_(_EPS).mul_(color_scale)).square_()
        score = difference.sum(2).div_(-channels).softmax(1).mul_(color_weight).add_(position)
        for target, source in zip(by_pixel, score):
            target[top * width : bottom * width].copy_(source.flatten(1).t())
    return weights.div_(color_weight + position_weight) if normalize_kernel else weights


@torch.no_grad()
def par_propagate(
    weights: Tensor, masks: Tensor, dilations: Sequence[int] = DILATIONS, num_iters: int = 10
) -> Tensor:
    """Replace every score by the weighted sum of its neighbours, ``num_iters`` times.

    Args:
        weights (Tensor): (B,S,H,W) from :func:`par_weights`.
        masks (Tensor): (B,K,H,W); K may be 0.
        dilations (tuple[int]): As for the weights.
        num_iters (int): Number of iterations; 0 returns the masks.

    Returns:
        Tensor: (B,K,H,W), new, dtype of the weights. No gradient flows.
    """
    expected = (len(masks), 8 * len(dilations), *masks.shape[-2:])
    if weights.shape != expected:
        raise ValueError(
            f'masks of shape {tuple(masks.shape)} need weights of shape {expected}, got '
            f'{tuple(weights.shape)}'
        )
    if masks.numel() == 0 or num_iters == 0:
        return masks.to(weights.dtype, copy=True)
    masks = masks.to(weights.dtype)
    if masks.device.type == 'cpu':
        height, width = masks.shape[-2:]
        table = _neighbour_table(height, width, dilations)
        return _propagate_gather(weights, masks, table, num_iters)
    return _propagate_shifts(weights, masks, dilations, num_iters)


def _neighbour_table(height: int, width: int, dilations: Sequence[int]) -> Tensor:
    """Flat indices of the neighbours of every pixel, clamped to the border: (H*W,S) int32."""
    offsets = torch.tensor(neighbour_offsets(dilations), dtype=torch.int32)
    # clamping repeats the border, as the padding of PAR does; 32 bits, since the table is as large
    # as S images
    y = (torch.arange(height, dtype=torch.int32)[:, None] + offsets[:, 0]).clamp_(0, height - 1)
    x = (torch.arange(width, dtype=torch.int32)[:, None] + offsets[:, 1]).clamp_(0, width - 1)
    return (y[:, None] * width + x).view(height * width, -1)


def _propagate_gather(weights: Tensor, masks: Tensor, table: Tensor, num_iters: int) -> Tensor:
    """One fused gather-and-sum for an iteration of an image, for CPUs.

    It is faster than 48 short additions per iteration, and far less sensitive to other load on a
    shared machine, because the threads synchronise once instead of 48 times.
    """
    batch, channels, height, width = masks.shape
    refined = []
    for image in range(batch):
        weight = weights[image].permute(1, 2, 0).reshape(table.shape)
        values = masks[image].flatten(1).t().contiguous()
        for _ in range(num_iters):
            values = F.embedding_bag(table, values, mode='sum', per_sample_weights=weight)
        refined.append(values.t().reshape(1, channels, height, width))
    return refined[0] if batch == 1 else torch.cat(refined)


def _propagate_shifts(
    weights: Tensor, masks: Tensor, dilations: Sequence[int], num_iters: int
) -> Tensor:
    """A running sum over shifted views of a replicate-padded buffer, for accelerators: coalesced
    reads and no index table.
    """
    offsets, pad = neighbour_offsets(dilations), max(dilations)
    height, width = masks.shape[-2:]
    for _ in range(num_iters):
        padded = F.pad(masks, (pad,) * 4, mode='replicate')
        masks = torch.zeros_like(masks)
        for index, (dy, dx) in enumerate(offsets):
            masks.addcmul_(
                padded[..., pad + dy : pad + dy + height, pad + dx : pad + dx + width],
                weights[:, index : index + 1],
            )
    return masks


@torch.no_grad()
def pixel_adaptive_refinement(
    images: Tensor,
    masks: Tensor,
    dilations: Sequence[int] = DILATIONS,
    num_iters: int = 10,
    **kernel: Any,
) -> Tensor:
    """Refine score maps with the colours of their images.

    Args:
        images (Tensor): (B,3,H,W), any linear scale.
        masks (Tensor): (B,K,h,w); resized to (H,W) first (bilinear, align_corners True) when the
            sizes differ.
        dilations (tuple[int]): Distances of the rings of 8 neighbours.
        num_iters (int): Number of iterations (10; AFA on COCO uses 15).
        **kernel: Keyword arguments of :func:`par_weights`.

    Returns:
        Tensor: (B,K,H,W) float32 (float64 for float64 images); no gradient flows.
    """
    if images.dim() != 4 or masks.dim() != 4 or len(images) != len(masks):
        raise ValueError(
            f'expected images (B,3,H,W) and masks (B,K,h,w), got {tuple(images.shape)} and '
            f'{tuple(masks.shape)}'
        )
    images = _as_float(images)
    masks = masks.to(images.dtype)
    if masks.numel() == 0:
        return images.new_zeros(*masks.shape[:2], *images.shape[-2:])
    if masks.shape[-2:] != images.shape[-2:]:
        masks = F.interpolate(masks, size=images.shape[-2:], mode='bilinear', align_corners=True)
    if num_iters == 0:
        return masks.clone()
    # image by image: only the weights of one are held, close to the caches
    height, width = images.shape[-2:]
    table, step = None, 1
    if images.device.type == 'cpu':
        table = _neighbour_table(height, width, dilations)
    else:  # as many images as fit, for fewer launches
        image_bytes = 8 * len(dilations) * height * width * images.element_size()
        step = max(1, _GPU_WEIGHT_BYTES // image_bytes)
    refined = []
    for part, mask in zip(images.split(step), masks.split(step)):
        weights = par_weights(part, dilations, **kernel)
        refined.append(
            _propagate_shifts(weights, mask, dilations, num_iters)
            if table is None
            else _propagate_gather(weights, mask, table, num_iters)
        )
    return refined[0] if len(refined) == 1 else torch.cat(refined)


def _as_float(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()
