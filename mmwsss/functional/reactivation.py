"""Adaptive re-activation of deep attention (AReAM, arXiv 2305.03112 v2), equation by equation.

- Eq. 6, ``hellinger_statistics``: similarity of the rows of an affinity.
- Eq. 7, ``refine_by_layer``: map refined by each layer alone.
- Eq. 8, ``layer_entropy``: flatness of each layer's refined map.
- Eq. 9-10, ``layer_weights``: weights of the loss (w_hat) and of the re-activation (w = 1 - w_hat).
- Eq. 11-12, ``reactivated_cams``: map refined by the weighted layers.
- Eq. 13-16, ``token_labels``: labels of the patches, by pixel-adaptive refinement
  (:mod:`mmwsss.functional.par`).
- Eq. 17-18, ``pair_counts``, ``affinity_terms``: loss of one layer over all pairs of patches.

Rows of an affinity are queries: refinement is out[q] = sum_k P[q,k] M[k]. No N x N matrix is formed
in Eq. 7-17, and no matrix per head anywhere: Eq. 7 is an attention whose values are the maps, A_hat
M of Eq. 12 is the weighted sum of the maps of Eq. 7, and the sums over labelled pairs of Eq. 17-18
are products with one-hot labels.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import DeferredAttention
from .cam import minmax_normalize, resize_maps
from .pseudo_labels import IGNORE, labels_eq16, labels_two_pass

MIN_RANGE = 1e-12  # layers whose entropies differ by less than this count as equal


# Refinement and weights (no gradient) -------------------------------------------------------------


def refine_by_layer(
    layers: Sequence[DeferredAttention], cams: Tensor, mode: str = 'softmax_all'
) -> Tensor:
    """Maps refined by the patch affinity of each layer alone (Eq. 7).

    Args:
        layers (Sequence[DeferredAttention]): L layers.
        cams (Tensor): (B,K,h,w) in [0,1].
        mode (str): Affinity, see :meth:`DeferredAttention.affinity`.

    Returns:
        Tensor: (B,L,K,h,w), float32 or better.
    """
    return torch.stack([layer.propagate(cams.flatten(2), mode) for layer in layers], 1).unflatten(
        3, cams.shape[-2:]
    )


@torch.no_grad()
def layer_entropy(refined: Tensor, form: str = 'max') -> Tensor:
    """Entropy over the positions of each layer's refined map, in float64 (Eq. 8).

    Since maps lie in [0,1] it is close to log N - Var / 2: a flat map, as from an affinity with
    nearly equal rows, has a high entropy. Differences between layers are 1e-4 to 1e-1 on values
    near log N, beyond half precision.

    Args:
        refined (Tensor): (B,L,K,h,w) >= 0 of present classes, 0 for absent ones.
        form (str): ``'max'`` over classes, in nats; or ``'sum'`` over classes, in bits (version 1
            of the method).

    Returns:
        Tensor: (B,L) float64.
    """
    if form not in ('max', 'sum'):
        raise ValueError(f"the form of the entropy must be 'max' or 'sum', got {form!r}")
    maps = refined.double().flatten(3)
    if not maps.shape[2]:
        maps = maps.new_zeros(*maps.shape[:2], 1, maps.shape[3])
    log_p = (maps.amax(2) if form == 'max' else maps.sum(2)).log_softmax(-1)
    entropy = -(log_p.exp() * log_p).sum(-1)
    return entropy if form == 'max' else entropy / math.log(2)


def layer_weights(entropy: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the layers of each image (Eq. 9-10).

    Args:
        entropy (Tensor): (B,L).

    Returns:
        tuple[Tensor, Tensor]: w_hat, the entropies stretched to [0,1] over the layers (0 where they
        are all equal), and w = 1 - w_hat.
    """
    low, high = entropy.amin(1, keepdim=True), entropy.amax(1, keepdim=True)
    alike = high - low <= MIN_RANGE
    w_hat = ((entropy - low) / (high - low).masked_fill(alike, 1)).masked_fill(alike, 0)
    return w_hat, 1 - w_hat


def reactivated_cams(refined: Tensor, weights: Tensor) -> Tensor:
    """Maps refined by the weighted sum of the affinities, min-max per class (Eq. 11-12; equal
    weights: Eq. 4-5).

    Args:
        refined (Tensor): (B,L,K,h,w) from :func:`refine_by_layer`.
        weights (Tensor): (B,L).

    Returns:
        Tensor: (B,K,h,w) in [0,1]; a constant map becomes 0.
    """
    return minmax_normalize(torch.einsum('bl,blkhw->bkhw', weights.to(refined), refined), eps=0.0)


# Labels (no gradient) -----------------------------------------------------------------------------


@torch.no_grad()
def token_labels(
    images: Tensor,
    cams: Tensor,
    filled: Tensor,
    grid: Sequence[int],
    *,
    par: Callable[..., Any] | None = None,
    mode: str = 'eq16',
    low: float = 0.25,
    high: float = 0.7,
    downscale: int = 2,
) -> Tensor:
    """Labels of the patches from maps (Eq. 13-16): refinement at a part of the image size,
    thresholds, top-left pixel of each patch.

    Args:
        images (Tensor): (B,3,H,W), any linear scale.
        cams (Tensor): (B,K,h,w) in [0,1].
        filled (Tensor): (B,K) bool, maps that count.
        grid (tuple[int]): (h',w') patches.
        par (Callable, optional): ``(images, maps) -> maps``; None: no refinement.
        mode (str): ``'eq16'``: class above ``high``, background below ``low``, ignored in between;
            ``'two_pass'``: both thresholds compete with the maps in a softmax before the refinement
            (AFA and version 1; see :func:`labels_two_pass`).
        low, high (float): alpha_1 and alpha_2.
        downscale (int): The refinement runs at ``H // downscale``.

    Returns:
        Tensor: (B,h',w') int64, map k is label k + 1, 0 background, 255 ignored. An image without
            any map is ignored, because its pairs are unlabelled.
    """
    if mode not in ('eq16', 'two_pass'):
        raise ValueError(f"label mode must be 'eq16' or 'two_pass', got {mode!r}")
    size = images.shape[-2:]
    if not filled.shape[1]:
        return torch.full((len(images), *grid), IGNORE, device=images.device)
    rows, columns = (
        torch.arange(cells, device=images.device) * side // cells for cells, side in zip(grid, size)
    )
    if mode == 'two_pass':
        label = labels_two_pass(
            images, resize_maps(cams, size), filled, high, low, par=par, downscale=downscale
        )
        label = label[:, rows[:, None], columns]
    else:
        small = [max(1, side // downscale) for side in size]
        cams = resize_maps(cams, small)
        if par is not None:
            cams = par(resize_maps(images, small), cams)
        label = labels_eq16(_sample(cams, rows, columns, size), filled, low, high)
    return label.masked_fill(~filled.any(1)[:, None, None], IGNORE)


def _sample(maps: Tensor, rows: Tensor, columns: Tensor, size: Sequence[int]) -> Tensor:
    """Values (B,K,h,w) at some pixels of (B,K,.,.) maps resized to ``size``, without resizing the
    others.
    """
    y, x = ((index.to(maps) + 0.5) * 2 / side - 1 for index, side in zip((rows, columns), size))
    points = torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))], -1)
    return F.grid_sample(
        maps,
        points.expand(len(maps), -1, -1, -1),
        mode='bilinear',
        padding_mode='border',
        align_corners=False,
    )


# Loss ---------------------------------------------------------------------------------------------


class PairCounts(NamedTuple):
    """One-hot labels (B,N,Y) of the Y labels that can occur, valid patches (B,N,1), and the number
    of pairs (B,).
    """

    one_hot: torch.Tensor
    valid: torch.Tensor
    positive: torch.Tensor
    negative: torch.Tensor


@torch.no_grad()
def pair_counts(
    labels: Tensor, dtype: torch.dtype = torch.float32, names: Tensor | None = None
) -> PairCounts:
    """Relation of all ordered pairs of patches by their labels (Eq. 17): positive, negative, or
    ignored where one of the two labels is.

    Background pairs and the diagonal count; the N x N labels are never formed.

    Args:
        labels (Tensor): (B,h,w) integers, 255 ignored; compared within an image only.
        dtype (torch.dtype): Data type of the result.
        names (Tensor, optional): (Y,) labels that can occur, without 255; by default they are read
            from the device.

    Returns:
        PairCounts
    """
    labels = labels.flatten(1)
    if names is None:
        names = labels.unique()
        names = names[names != IGNORE]
    one_hot = labels[..., None] == names
    sizes = one_hot.sum(1)
    positive = sizes.square().sum(1)
    return PairCounts(
        one_hot.to(dtype),
        one_hot.any(2, keepdim=True).to(dtype),
        positive.to(dtype),
        (sizes.sum(1).square() - positive).to(dtype),
    )


def affinity_terms(logits: Tensor, pairs: PairCounts) -> tuple[Tensor, Tensor]:
    """Sums of ``1 - sigmoid`` over the positive pairs and of ``sigmoid`` over the negative
    pairs (numerators of Eq. 18).

    Args:
        logits (Tensor): (B,N,N) of one layer; the sigmoid is float32 or better.
        pairs (PairCounts): Counts of their labels.

    Returns:
        tuple[Tensor, Tensor]: (B,) each, differentiable.
    """
    with torch.autocast(logits.device.type, enabled=False):
        by_label = logits.to(pairs.one_hot.dtype).sigmoid() @ pairs.one_hot
        alike = (by_label * pairs.one_hot).sum((1, 2))
        different = (by_label * (pairs.valid - pairs.one_hot)).sum((1, 2))
    return pairs.positive - alike, different


# Analysis -----------------------------------------------------------------------------------------


@torch.no_grad()
def hellinger_distances(affinity: Tensor) -> Tensor:
    """Hellinger distance of every pair of rows (Eq. 6), as one product in float64.

    Args:
        affinity (Tensor): (B,N,N) >= 0; a distance in [0,1] where rows sum to at most 1.

    Returns:
        Tensor: (B,N,N) float64.
    """
    # |sqrt(a) - sqrt(b)|^2 / 2 = (|a| + |b|) / 2 - sqrt(a) . sqrt(b); float64, as they cancel
    roots = affinity.double().sqrt()
    gram = roots @ roots.transpose(-2, -1)
    norms = gram.diagonal(dim1=-2, dim2=-1)
    return ((norms[..., None] + norms[..., None, :]) / 2 - gram).clamp_(min=0).sqrt_()


def hellinger_statistics(affinity: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the distances of all pairs i < j: (B,) float64 each; 0 for a
    single row.
    """
    distances = hellinger_distances(affinity)
    # symmetric with a zero diagonal: the sums over the matrix count each pair twice, and so does
    # the count
    count = max(distances.shape[-1] * (distances.shape[-1] - 1), 1)
    mean = distances.sum((-2, -1)) / count
    # the mean square less the squared mean is negative where rounding exceeds the variance
    return mean, (distances.square().sum((-2, -1)) / count - mean.square()).clamp_(min=0).sqrt_()


def attended_tokens(affinity: Tensor) -> Tensor:
    """Attention that each patch receives, mean over queries: (B,N,N) -> (B,N)."""
    return affinity.mean(-2)
