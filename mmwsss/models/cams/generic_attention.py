"""Generic attention explainability."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS

from .base import CAMMethod, token_rows
from .gradients import attention_gradients


@MODELS.register_module()
class GenericAttention(CAMMethod):
    """``R <- R + mean_h relu(G_l * A_l) R`` over all layers, starting from the identity; the class
    token's row (Chefer et al., ICCV 2021).

    Only that row is computed, from the last layer down: a vector-matrix product for each layer.
    Unlike other gradient methods it needs the derivatives of all layers and all rows.

    Args:
        affinity, affinity_layers: See :class:`CAMMethod`.
    """

    variants = {'generic': {}}

    layer_inputs = None

    def maps(self, model: Any, features: TokenFeatures, keys: Sequence[int]) -> Tensor:
        """(B,K,N) >= 0."""
        patches, rows = model.backbone.patch_rows, token_rows(model, keys)
        relevance: dict[int, Tensor] = {}  # row of the class token by position in keys
        for _, position, weights, gradient in attention_gradients(
            model, features, keys, class_rows=False
        ):
            change = (gradient * weights).relu().mean(1)
            if position not in relevance:
                relevance[position] = change.new_zeros(len(change), 1, change.shape[-1])
                relevance[position][..., rows[position]] = 1
            row = relevance[position]
            relevance[position] = row + row[..., : change.shape[1]] @ change
        return torch.cat([relevance[position] for position in range(len(keys))], 1)[..., patches]
