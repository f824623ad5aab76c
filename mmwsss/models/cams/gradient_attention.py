"""ACR's maps: gradients of class scores with respect to class attention."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS

from .base import CAMMethod, token_rows
from .gradients import attention_gradients


@MODELS.register_module()
class GradientAttention(CAMMethod):
    """``m[j] = sum over the last layers of mean_h relu(dy_c / dA_h[0,1+j])`` (ACR Eq. 7 as
    released); refined it is Eq. 8.

    Args:
        grad_layers (int): Number of last layers.
        relu (str): ``'head'``, of each head and layer before they are averaged (released code), or
            ``'final'``, of the average.
        affinity (str): ``'Am'`` (released code) or ``'mA'`` (Eq. 8 as printed).
        affinity_layers (int, optional): None for all, regardless of ``grad_layers``.
    """

    variants: ClassVar[dict[str, dict[str, Any]]] = {'acr_star': {}}

    def __init__(
        self,
        grad_layers: int = 2,
        relu: str = 'head',
        *,
        affinity: str = 'Am',
        affinity_layers: int | None = None,
    ) -> None:
        super().__init__(affinity=affinity, affinity_layers=affinity_layers)
        if grad_layers < 1:
            raise ValueError(f'grad_layers must be at least 1, got {grad_layers}')
        if relu not in ('head', 'final'):
            raise ValueError(f"relu must be 'head' or 'final', got {relu!r}")
        self.layer_inputs = grad_layers
        self.relu = relu

    def maps(self, model: Any, features: TokenFeatures, keys: Sequence[int]) -> Tensor:
        """(B,K,N) >= 0."""
        patches, rows = model.backbone.patch_rows, token_rows(model, keys)
        sums: list[Any] = [0] * len(keys)
        for _, position, _, gradient in attention_gradients(
            model, features, keys, self.layer_inputs
        ):
            row = gradient[:, :, rows[position], patches]
            sums[position] = sums[position] + (row.relu() if self.relu == 'head' else row).mean(1)
        return torch.stack(sums, 1).relu()
