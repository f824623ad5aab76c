"""Fusion of the scores of several scales and flips of an image.

Each rule follows the released test code of a method: MCTformer (``tool/infer`` of the segmentation
network), SSC, ToCo and MCC, CoSA.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

# rule -> (combination of the flips of a scale, combination of the scales)
RULES = {
    'max_softmax': ('max', 'max'),
    'mean_softmax': ('sum', 'sum'),
    'sum_logits': ('sum', 'sum'),
    'mean_logits': ('sum', 'sum'),
    'max_of_flip_sums': ('sum', 'max'),
    'sum_of_flip_maxima': ('max', 'sum'),
}


class ScoreFusion:
    """Fuses scores view by view, so that only the running result is in memory.

    Args:
        rule (str): ``'max_softmax'``: largest softmax over scales and flips (MCTformer);
            ``'mean_softmax'``; ``'sum_logits'`` (CoSA); ``'mean_logits'`` (SSC): the same labels,
            but the softmax does not sharpen with the number of views, which matters for a dense
            CRF; ``'max_of_flip_sums'``: logits of both flips summed, largest over scales (ToCo and
            MCC on VOC); ``'sum_of_flip_maxima'``: the reverse (ToCo and MCC on COCO).

    Raises:
        ValueError: The rule is unknown.
    """

    def __init__(self, rule: str) -> None:
        if rule not in RULES:
            raise ValueError(f'rule must be one of {tuple(RULES)}, got {rule!r}')
        self.rule = rule
        self._fused: Tensor | None = None
        self._count = 0

    def add(self, flips: Sequence[Tensor], dim: int = 0) -> None:
        """Add the views of one scale: a sequence of logits of one shape, classes along ``dim``."""
        if self.rule.endswith('softmax'):
            flips = [logits.softmax(dim) for logits in flips]
        over_flips, over_scales = RULES[self.rule]
        scale = _combine(flips, over_flips)
        self._fused = scale if self._fused is None else _combine([self._fused, scale], over_scales)
        self._count += len(flips)

    def result(self) -> Tensor:
        """Fused scores whose softmax is suitable for the dense CRF: fused logits, or logarithms of
        fused probabilities (up to a factor per pixel, which leaves the mean field unchanged).

        Raises:
            ValueError: No scores have been added.
        """
        if self._fused is None:
            raise ValueError('no scores to fuse: call add() for each scale first')
        fused = self._fused / self._count if self.rule.startswith('mean') else self._fused
        return fused.clamp_min(1e-12).log() if self.rule.endswith('softmax') else fused


def _combine(views: Sequence[Tensor], how: str) -> Tensor:
    result = views[0]
    for view in views[1:]:
        result = torch.maximum(result, view) if how == 'max' else result + view
    return result
