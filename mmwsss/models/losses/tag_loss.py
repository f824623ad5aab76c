"""The loss of tag scores."""

from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.registry import MODELS


@MODELS.register_module()
class TagLoss(nn.Module):
    """Multi-label soft margin loss: binary cross-entropy of each class, mean over classes and
    images.

    It is the default loss of all classifiers. The option ``tag_loss=dict(type=...)`` of a
    classifier replaces it by another loss whose ``forward`` has the same arguments.
    """

    def forward(self, logits: Tensor, tags: Tensor) -> Tensor:
        """Compare scores with tags.

        Args:
            logits: (B,C).
            tags: (B,C) multi-hot.

        Returns:
            Scalar.
        """
        return F.multilabel_soft_margin_loss(logits.float(), tags)
