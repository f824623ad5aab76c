"""Cross entropy over the labelled pixels."""

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.registry import MODELS


@MODELS.register_module()
class PixelCrossEntropyLoss(nn.Module):
    """Mean cross entropy over all pixels with a label, for decode heads of MMSegmentation.

    It has the value of ``mmseg.CrossEntropyLoss(avg_non_ignore=True)``, which synchronises with the
    device in every step to count the labelled pixels. With several processes it is the mean over
    the pixels of all of them, as if one process had the whole batch.

    Args:
        loss_weight (float): Factor of the loss.
        loss_name (str): Name among the losses of a head; begins with ``loss_``.
        background_weight (float): Factor of the pixels labelled 0. Where most pixels are
            background, a model trained for a short time with 1 predicts background only.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_ce',
        *,
        background_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        self.background_weight = background_weight

    def forward(
        self,
        logits: Tensor,
        labels: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Scalar loss; 0 where no pixel has a label.

        Args:
            logits (Tensor): (B,K,H,W).
            labels (Tensor): (B,H,W) int64.
            weight (Tensor, optional): (B,H,W), factor of each pixel.
            ignore_index (int): Label of pixels that are left out.
        """
        pixels = F.cross_entropy(logits, labels, reduction='none', ignore_index=ignore_index)
        if self.background_weight != 1:
            pixels = torch.where(labels == 0, self.background_weight * pixels, pixels)
        if weight is not None:
            pixels = pixels * weight.float()
        count = (labels != ignore_index).sum().to(pixels.dtype)
        if get_world_size() > 1:
            all_reduce(count, op='mean')  # the gradients are averaged, so this is the sum over all
        # the constant is that of MMSegmentation
        return self.loss_weight * pixels.sum() / (count + torch.finfo(torch.float32).eps)
