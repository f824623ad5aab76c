"""Loss that supervises the class maps by the segmentation branch."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.functional.cam import minmax_normalize
from mmwsss.registry import MODELS

from .balanced_seg_loss import BalancedSegLoss


@MODELS.register_module()
class SegToCAMLoss(nn.Module):
    """Segmentation pseudo labels guide class maps, CoSA Eq. 8 and the three versions of the
    released code.

    - ``'v1'``: binary cross entropy of the raw maps as logits, after a ReLU unless ``relu=False``.
      The ReLU keeps all logits at 0 or above, so that the loss has a lower bound near ln 2 and
      negative values get no gradient, as in the released code and in all of its logs.
    - ``'paper'``: v1 without ReLU (Eq. 8).
    - ``'v2'``: v1 on the rectified maps after min-max per channel.
    - ``'v3'``: the best class of the soft labels, ignored where it is uncertain, supervises the
      normalised maps, with one minus their maximum as background, as logits of a balanced cross
      entropy.

    Soft labels are resized to the grid of the maps (bilinear) for v1 and v2, the maps to that of
    the labels for v3. The loss is computed in float32, or in float64 for float64 maps, also under
    AMP.

    Args:
        version (str): See above.
        relu (bool): ReLU before the cross entropy of v1.
        min_score (float): v3 ignores pixels whose best soft label is at most this.
        foreground_weight (float): Foreground weight of the balanced cross entropy of v3.
    """

    def __init__(
        self,
        version: str = 'v1',
        *,
        relu: bool = True,
        min_score: float = 0.25,
        foreground_weight: float = 0.5,
    ) -> None:
        super().__init__()
        if version not in ('v1', 'v2', 'v3', 'paper'):
            raise ValueError(f"version must be 'v1', 'v2', 'v3' or 'paper', got {version!r}")
        self.version = version
        self.relu = relu and version != 'paper'
        self.min_score = min_score
        self.seg_loss = BalancedSegLoss(foreground_weight, reduction='batch')

    def forward(self, cams: Tensor, probs: Tensor) -> Tensor:
        """Scalar loss.

        Args:
            cams (Tensor): (B,C,h,w) raw maps of the network that is trained.
            probs (Tensor): (B,C+1,H,W) soft labels of the segmentation, background first; no
                gradient.
        """
        with torch.autocast(cams.device.type, enabled=False):
            cams = cams.to(torch.promote_types(cams.dtype, torch.float32))
            probs = probs.detach().to(cams)
            if self.version == 'v3':
                return self._best_class(cams, probs)
            target = F.interpolate(
                probs[:, 1:], size=cams.shape[-2:], mode='bilinear', align_corners=False
            )
            if self.version == 'v2':
                cams = normalize(cams)
            elif self.relu:
                cams = cams.relu()
            return F.binary_cross_entropy_with_logits(cams, target)

    def _best_class(self, cams: Tensor, probs: Tensor) -> Tensor:
        score, label = probs.max(1)
        label = label.masked_fill(score <= self.min_score, self.seg_loss.ignore_index)
        cams = normalize(cams)
        return self.seg_loss(torch.cat([1 - cams.amax(1, keepdim=True), cams], 1), label)

    def extra_repr(self) -> str:
        return f'version={self.version!r}, relu={self.relu}'


def normalize(cams: Tensor) -> Tensor:
    """Rectified maps (B,C,h,w), min-max per channel; the gradient passes through minimum and
    maximum.
    """
    return minmax_normalize(cams.relu(), eps=1e-4)
