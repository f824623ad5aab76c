"""Class scores from class tokens."""

from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmwsss.registry import MODELS


@MODELS.register_module()
class ClassTokenHead(BaseModule):
    """One logit per class token (MCTformer section III-A, Table 9).

    Args:
        pooling (str): ``'mean'`` or ``'max'`` of the token's entries, or ``'linear'`` with a weight
            vector per class.
        num_classes (int, optional): C, needed by ``'linear'``.
        embed_dims (int, optional): D, needed by ``'linear'``.
    """

    def __init__(
        self,
        pooling: str = 'mean',
        *,
        num_classes: int | None = None,
        embed_dims: int | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if pooling not in ('mean', 'max', 'linear'):
            raise ValueError(f"pooling must be 'mean', 'max' or 'linear', got {pooling!r}")
        self.pooling = pooling
        if pooling == 'linear':
            if num_classes is None or embed_dims is None:
                raise ValueError("pooling='linear' needs num_classes and embed_dims")
            self.weight = nn.Parameter(torch.empty(num_classes, embed_dims))
            self.bias = nn.Parameter(torch.zeros(num_classes))
            nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, class_tokens: Tensor) -> Tensor:
        """(B,C,D) -> logits (B,C)."""
        if self.pooling == 'mean':
            return class_tokens.mean(-1)
        if self.pooling == 'max':
            return class_tokens.amax(-1)
        return (class_tokens * self.weight).sum(-1) + self.bias
