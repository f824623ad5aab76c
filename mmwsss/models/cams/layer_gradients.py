"""Base class of the methods that sum a map of attention and its gradient over the last layers."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmwsss.models.backbones.token_vit import TokenFeatures

from .base import CAMMethod, token_rows
from .gradients import attention_gradients


class LayerGradients(CAMMethod):
    """Sum over the last layers of :meth:`layer_map`, which a subclass implements.

    Args:
        grad_layers (int): Number of last layers.
        affinity, affinity_layers: See :class:`CAMMethod`.

    Raises:
        ValueError: ``grad_layers`` is less than 1.
    """

    def __init__(self, grad_layers: int = 2, **affinity: Any) -> None:
        super().__init__(**affinity)
        if grad_layers < 1:
            raise ValueError(f'grad_layers must be at least 1, got {grad_layers}')
        self.layer_inputs = grad_layers

    @abstractmethod
    def layer_map(self, weights: Tensor, gradient: Tensor) -> Tensor:
        """Map of one layer.

        Args:
            weights (Tensor): (B,heads,N), attention of a class token to the patches.
            gradient (Tensor): (B,heads,N), derivative of the class score with respect to it.

        Returns:
            Tensor: (B,N).
        """

    def maps(self, model: Any, features: TokenFeatures, keys: Sequence[int]) -> Tensor:
        """(B,K,N), the sum over the layers."""
        patches, rows = model.backbone.patch_rows, token_rows(model, keys)
        sums: list[Any] = [0] * len(keys)
        for _, position, weights, gradient in attention_gradients(
            model, features, keys, self.layer_inputs
        ):
            row = rows[position]
            layer_map = self.layer_map(weights[:, :, row, patches], gradient[:, :, row, patches])
            sums[position] = sums[position] + layer_map
        return torch.stack(sums, 1)
