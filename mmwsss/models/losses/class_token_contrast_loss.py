"""Contrast between the class tokens of an image."""

import torch
from torch import Tensor, nn

from mmwsss.functional.vectors import unit_vectors
from mmwsss.registry import MODELS


@MODELS.register_module()
class ClassTokenContrastLoss(nn.Module):
    """Class-token contrastive loss (CCT), MCTformer+ Eq. 10-11.

    Each class token should resemble itself more than the tokens of the other classes: cross entropy
    of the C x C similarity matrix against the identity. As released, tokens are L2-normalised,
    there is no temperature, all C classes are negatives, and only rows of tagged classes count.
    With identical tokens the loss is ln C and its gradient 0.

    Args:
        normalize (bool): Cosine similarity (released code); False for the plain dot product
            (paper).
        rows (str): ``'present'`` averages over tagged classes (released code), ``'all'`` over all
            (paper).
        num_layers (int, optional): Use the last ``num_layers`` layers; None for all.
    """

    def __init__(
        self, normalize: bool = True, rows: str = 'present', num_layers: int | None = None
    ) -> None:
        super().__init__()
        if rows not in ('present', 'all'):
            raise ValueError(f"rows must be 'present' or 'all', got {rows!r}")
        if num_layers is not None and num_layers < 1:
            raise ValueError(
                f'num_layers must be at least 1, got {num_layers}; contrast_weight=0 switches the '
                f'loss off'
            )
        self.normalize = normalize
        self.rows = rows
        self.num_layers = num_layers

    def forward(self, class_tokens: Tensor, tags: Tensor) -> Tensor:
        """Scalar loss; an image without tags contributes 0 and counts in the batch mean.

        Args:
            class_tokens (Tensor): (L,B,C,D), class rows after every layer.
            tags (Tensor): (B,C) multi-hot.
        """
        if self.num_layers is not None:
            class_tokens = class_tokens[-self.num_layers :]
        with torch.autocast(class_tokens.device.type, enabled=False):
            if self.normalize:
                class_tokens = unit_vectors(class_tokens)
            class_tokens = class_tokens.to(torch.promote_types(class_tokens.dtype, torch.float32))
            similarity = class_tokens @ class_tokens.transpose(-2, -1)
            per_class = similarity.logsumexp(-1) - similarity.diagonal(dim1=-2, dim2=-1)  # (L,B,C)
        if self.rows == 'all':
            return per_class.mean()
        tags = tags.to(per_class)
        per_image = (per_class * tags).sum(-1).mean(0) / (tags.sum(-1) + 1e-8)
        return torch.mean(per_image)
