"""Affinity loss between patch tokens."""

import torch
from torch import Tensor, nn

from mmwsss.functional.vectors import unit_vectors
from mmwsss.registry import MODELS


@MODELS.register_module()
class TokenAffinityLoss(nn.Module):
    """Affinity between patch tokens (MCC Eq. 12 as in the released code; ToCo Eq. 6).

    ``0.5 (1 - sum_pos S / (N_pos + 1)) + 0.5 sum_neg S / (N_neg + 1)`` with the absolute cosine
    ``S`` of two tokens. A pair is positive if both tokens have the same label and negative if their
    labels differ; pairs with an ignored token, and those of a token with itself, do not count.
    Without any pair the value is 0.5 and the gradient 0. Computed in float32 also under AMP.

    Args:
        reduction (str): ``'image'``: mean over images of the loss of each, regardless of the batch
            size; ``'batch'`` pools the pairs of the batch (still within images).
        ignore_index (int): Label of tokens that are left out.

    Raises:
        ValueError: The reduction is unknown.
    """

    def __init__(self, *, reduction: str = 'image', ignore_index: int = 255) -> None:
        super().__init__()
        if reduction not in ('image', 'batch'):
            raise ValueError(f"reduction must be 'image' or 'batch', got {reduction!r}")
        self.reduction = reduction
        self.ignore_index = ignore_index

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Scalar loss.

        Args:
            features (Tensor): (B,D,h,w), the final patch map.
            labels (Tensor): (B,h,w) integers.

        Raises:
            ValueError: The grids of labels and features differ.
        """
        if features.shape[-2:] != labels.shape[-2:]:
            raise ValueError(
                f'labels on a grid of {tuple(labels.shape[-2:])} do not fit tokens on '
                f'{tuple(features.shape[-2:])}'
            )
        with torch.autocast(features.device.type, enabled=False):
            tokens = unit_vectors(features.flatten(2), dim=1, eps=1e-8)
            similarity = torch.bmm(tokens.transpose(1, 2), tokens).abs()
            labels = labels.flatten(1)
            same = labels[:, :, None] == labels[:, None]
            used = labels != self.ignore_index
            counted = used[:, :, None] & used[:, None]
            counted.diagonal(dim1=1, dim2=2).fill_(False)
            sums = [
                ((pairs := counted & chosen).sum((1, 2)), (similarity * pairs).sum((1, 2)))
                for chosen in (same, ~same)
            ]
            if self.reduction == 'batch':
                sums = [(count.sum(), total.sum()) for count, total in sums]
            (num_positive, positive), (num_negative, negative) = sums
            return (
                0.5 * (1 - positive / (num_positive + 1)) + 0.5 * negative / (num_negative + 1)
            ).mean()

    def extra_repr(self) -> str:
        return f'reduction={self.reduction!r}'
