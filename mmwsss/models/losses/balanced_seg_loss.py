"""Cross entropy with equal weights of background and foreground."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.registry import MODELS


@MODELS.register_module()
class BalancedSegLoss(nn.Module):
    """Segmentation loss of the single-stage methods (MCC, ToCo and CoSA): ``(1 - a) bg + a
    fg``.

    ``bg`` is the mean cross entropy of the pixels labelled background, ``fg`` that of the pixels
    labelled with a class; a term without pixels is 0 (the released code of MCC returns NaN).
    Computed in float32 also under AMP.

    Args:
        foreground_weight (float): a in [0,1].
        reduction (str): ``'image'`` takes the means within each image, then the mean over images:
            the result of one image per GPU, regardless of the batch size. ``'batch'`` takes them
            over all pixels of the batch.
        ignore_index (int): Label that is left out.

    Raises:
        ValueError: The reduction is unknown, or the weight is outside [0,1].
    """

    def __init__(
        self, foreground_weight: float = 0.5, *, reduction: str = 'image', ignore_index: int = 255
    ) -> None:
        super().__init__()
        if reduction not in ('image', 'batch'):
            raise ValueError(f"reduction must be 'image' or 'batch', got {reduction!r}")
        if not 0 <= foreground_weight <= 1:
            raise ValueError(f'foreground_weight must be between 0 and 1, got {foreground_weight}')
        self.foreground_weight = foreground_weight
        self.reduction = reduction
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Scalar loss.

        Args:
            logits (Tensor): (B,C+1,h,w); resized to (H,W) first (bilinear) when the sizes differ.
            labels (Tensor): (B,H,W) integers, 0 background.
        """
        with torch.autocast(logits.device.type, enabled=False):
            logits = logits.float()
            size = labels.shape[-2:]
            if logits.shape[-2:] != size:
                logits = F.interpolate(logits, size=size, mode='bilinear', align_corners=False)
            labels = labels.long()
            pixels = F.cross_entropy(
                logits, labels, ignore_index=self.ignore_index, reduction='none'
            ).flatten(1)
            background = (labels == 0).flatten(1)
            foreground = (labels != self.ignore_index).flatten(1) & ~background
            if self.reduction == 'batch':
                pixels, background, foreground = (
                    values.view(1, -1) for values in (pixels, background, foreground)
                )
            of_background, of_foreground = (
                (pixels * mask).sum(1) / mask.sum(1).clamp(min=1)
                for mask in (background, foreground)
            )
            weight = self.foreground_weight
            return ((1 - weight) * of_background + weight * of_foreground).mean()

    def extra_repr(self) -> str:
        return f'foreground_weight={self.foreground_weight}, reduction={self.reduction!r}'
