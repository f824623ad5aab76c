"""Reliability of labels made from CAMs (perplexity filter of CoSA, Eq. 4).

nu is the confidence of a pixel: the largest value of its present classes, in [0,1]. xi is the
background threshold: foreground from xi on.
"""

import torch
from torch import Tensor

XI_RANGE = (0.05, 0.95)  # at 0 and 1 one side has zero width


def reliability(
    confidence: Tensor, threshold: float | Tensor, *, alpha: float = 0.8, beta: float = 1.0
) -> Tensor:
    """Reciprocal of the perplexity ``(-log(alpha d))^beta``, where d is the distance of nu from xi,
    as a fraction of the largest distance on its side.

    Use this instead of the perplexity: it is 0, not infinite, at nu = xi.

    Args:
        confidence (Tensor): nu, any shape, in [0,1].
        threshold (float | Tensor): xi, clipped to [0.05, 0.95].
        alpha (float): In (0,1). With 1 or more, perplexities would be 0 or negative.
        beta (float): Positive.

    Returns:
        Tensor: Same shape, float32 or float64, in [0, (-log alpha)^-beta], without gradient.

    Raises:
        ValueError: alpha or beta out of range.
    """
    if not 0 < alpha < 1:
        raise ValueError(
            f'alpha must be in (0, 1), got {alpha}: from 1 on perplexities are 0 or negative'
        )
    if beta <= 0:
        raise ValueError(f'beta must be positive, got {beta}')
    confidence = confidence.detach()
    confidence = confidence.to(torch.promote_types(confidence.dtype, torch.float32))
    if not isinstance(threshold, Tensor):
        threshold = confidence.new_full((), threshold)
    threshold = threshold.to(confidence).clamp(*XI_RANGE)
    distance = torch.where(
        confidence >= threshold,
        (confidence - threshold) / (1 - threshold),
        (threshold - confidence) / threshold,
    )
    return (-(alpha * distance).log()).pow(-beta)  # log 0 = -inf becomes 0


def single_threshold_label(confidence: Tensor, winner: Tensor, threshold: float | Tensor) -> Tensor:
    """Labels by one threshold (CoSA Eq. 3): class where nu >= xi, else background; no pixel is
    ignored.

    Args:
        confidence (Tensor): nu, (B,H,W).
        winner (Tensor): (B,H,W) int64, 0-based class of nu.
        threshold (float | Tensor): xi.

    Returns:
        Tensor: (B,H,W) int64.
    """
    return (winner + 1).masked_fill_(confidence < threshold, 0)
