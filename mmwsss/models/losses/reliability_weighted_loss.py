"""Segmentation loss weighted by the reliability of the pseudo labels."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.functional.pseudo_labels import box_mask
from mmwsss.functional.reliability import reliability
from mmwsss.registry import MODELS


@MODELS.register_module()
class ReliabilityWeightedLoss(nn.Module):
    """Reliability-based adaptive weighting (RAW), CoSA Eq. 4-5.

    ``sum_R w CE / sum_R w`` over all pixels R of the batch inside the images, with w the reciprocal
    of the perplexity of a pixel's label. (Eq. 5 as printed divides by that reciprocal, which is the
    opposite of the text.) Where every w is 0 the plain mean is taken. The loss is computed in
    float32, or in float64 for float64 logits, also under AMP; w has no gradient.

    Args:
        alpha (float): In (0,1).
        beta (float): Positive; see :func:`mmwsss.functional.reliability.reliability`.
        balanced (bool): Average background and foreground labels separately, each ``sum w CE /
            count`` with weights of mean 1 over R, and take half of each: the weighted form that the
            released code defines but does not use.
        ignore_index (int): Label that is left out.
    """

    def __init__(
        self,
        alpha: float = 0.8,
        beta: float = 1.0,
        *,
        balanced: bool = False,
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        reliability(
            torch.zeros(1), 0.5, alpha=alpha, beta=beta
        )  # reports an invalid option at construction
        self.alpha, self.beta = alpha, beta
        self.balanced, self.ignore_index = balanced, ignore_index

    def weights(self, confidence: Tensor, threshold: Tensor | float, valid: Tensor) -> Tensor:
        """Weights (B,H,W) of mean 1 over the ``valid`` pixels, 0 elsewhere; all 1 where no label is
        reliable.
        """
        weights = reliability(confidence, threshold, alpha=self.alpha, beta=self.beta)
        weights = torch.where(valid, weights, 0)
        total = weights.sum()
        weights = torch.where(total > 0, weights, valid.to(weights))
        return weights * (valid.sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny))

    def forward(
        self,
        logits: Tensor,
        labels: Tensor,
        confidence: Tensor,
        threshold: float | Tensor,
        boxes: Tensor | None = None,
    ) -> Tensor:
        """Scalar loss.

        Args:
            logits (Tensor): (B,C+1,h,w); resized to (H,W) first (bilinear) when the sizes differ.
            labels (Tensor): (B,H,W) integers, 0 background.
            confidence (Tensor): nu, (B,H,W) in [0,1].
            threshold (float | Tensor): xi from which the labels were made.
            boxes (Tensor, optional): (B,4) y0, y1, x0, x1 of the part of (H,W) that the image
                covers; everything by default.
        """
        with torch.autocast(logits.device.type, enabled=False):
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            if logits.shape[-2:] != labels.shape[-2:]:
                logits = F.interpolate(
                    logits, size=labels.shape[-2:], mode='bilinear', align_corners=False
                )
            labels = labels.long()
            valid = labels != self.ignore_index
            if boxes is not None:
                valid = valid & box_mask(boxes, labels.shape[-2:])
            entropy = F.cross_entropy(
                logits, labels, ignore_index=self.ignore_index, reduction='none'
            )
            weighted = torch.where(valid, entropy, 0) * self.weights(
                confidence, threshold, valid
            ).to(entropy)
            if not self.balanced:
                return weighted.sum() / valid.sum().clamp(min=1)
            background, foreground = (
                (weighted * mask).sum() / mask.sum().clamp(min=1)
                for mask in (valid & (labels == 0), valid & (labels != 0))
            )
            return (background + foreground) / 2

    def extra_repr(self) -> str:
        return f'alpha={self.alpha}, beta={self.beta}, balanced={self.balanced}'
