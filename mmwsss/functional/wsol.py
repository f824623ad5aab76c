"""Pixel-wise localisation scores of OpenImages-WSOL: PxAP and pIoU (Choe et al., CVPR 2020)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

LAST_EDGES = (1.0, 2.0, 3.0)  # a score of exactly 1 has a separate bin


class WSOLScores(NamedTuple):
    """Scores of a data set; fractions in float64."""

    pxap: float
    piou: float  # at the best threshold
    threshold: float  # threshold of pIoU; a pixel at or above it is object
    precision: torch.Tensor  # (n,), 0 where nothing is predicted; thresholds ascend
    recall: torch.Tensor  # (n,)
    iou: torch.Tensor  # (n,)


def wsol_edges(interval: float = 0.001) -> Tensor:
    """Edges of the histogram, float64: 0, ``interval``, ... below 1, then 1, 2, 3.

    Raises:
        ValueError: The interval is outside (0,1).
    """
    if not 0 < interval < 1:
        raise ValueError(f'the interval of thresholds is between 0 and 1, got {interval}')
    return torch.from_numpy(np.append(np.arange(0, 1, interval), LAST_EDGES))


def score_map(cam: Tensor, size: Sequence[int]) -> Tensor:
    """Convert a class activation map to the form that the protocol expects.

    Args:
        cam (Tensor): (h,w).
        size (tuple): (H,W) to resize to, with the bicubic kernel of OpenCV.

    Returns:
        Tensor: (H,W) float64, scaled to [0,1]; 0 everywhere if the map is constant or not finite.
    """
    cam = cam.double()
    # checked before the resize, whose rounding errors would be amplified
    if not bool(cam.isfinite().all()) or bool(cam.amin() == cam.amax()):
        return cam.new_zeros(size)
    if tuple(cam.shape) != tuple(size):
        cam = F.interpolate(cam[None, None], size=tuple(size), mode='bicubic', align_corners=False)[
            0, 0
        ]
    low, high = cam.aminmax()
    return (cam - low) / (high - low) if bool(low < high) else torch.zeros_like(cam)


def wsol_counts(scores: Tensor, target: Tensor, edges: Tensor, ignore_index: int = 255) -> Tensor:
    """Histograms of the scores of object and of background pixels.

    Args:
        scores (Tensor): (H,W) in [0,1].
        target (Tensor): (H,W) integer: 0 background, ``ignore_index`` left out, anything else
            object.
        edges (Tensor): (n+1,) float64 of :func:`wsol_edges`.
        ignore_index (int): Label that is left out.

    Returns:
        Tensor: (2,n) int64, object first; sums over images are valid.

    Raises:
        ValueError: Sizes differ, or a score is outside [0,1].
    """
    if scores.shape != target.shape:
        raise ValueError(
            f'scores {tuple(scores.shape)} do not fit a mask of size {tuple(target.shape)}'
        )
    scores, target = scores.double(), target.to(scores.device)
    if scores.numel() and not bool(((scores >= 0) & (scores <= 1)).all()):
        raise ValueError('scores of the localisation protocol are in [0,1]')
    bins = len(edges) - 1
    index = torch.searchsorted(edges.to(scores.device), scores.contiguous(), right=True) - 1
    code = torch.where(target == 0, index + bins, index)[target != ignore_index]
    return torch.bincount(code, minlength=2 * bins).view(2, bins)


def wsol_scores(counts: Tensor, edges: Tensor) -> WSOLScores:
    """PxAP and pIoU of the pooled histograms.

    Args:
        counts (Tensor): (2,n), sum of :func:`wsol_counts` over the images.
        edges (Tensor): (n+1,).

    Returns:
        WSOLScores: PxAP is the sum of P_i (R_i - R_{i-1}) over descending thresholds, pIoU the
            largest tp / (tp + fp + fn); one threshold for all images.
    """
    hit, false = counts.flip(1).cumsum(1).double()  # from the highest threshold down
    objects = counts[0].sum().double()
    predicted = hit + false
    precision = hit / predicted.clamp(min=1)
    recall = hit / objects.clamp(min=1)
    iou = hit / (objects + false).clamp(min=1)
    pxap = float((precision * torch.diff(recall, prepend=recall.new_zeros(1))).sum())
    ascending = iou.flip(0)
    best = int(torch.nonzero(ascending == ascending.max())[0])
    return WSOLScores(
        pxap,
        float(ascending[best]),
        float(edges[best]),
        precision.flip(0),
        recall.flip(0),
        ascending,
    )
