"""ACR's maps: gradients of class scores with respect to class attention."""

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS

from .layer_gradients import LayerGradients


@MODELS.register_module()
class GradientAttention(LayerGradients):
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

    def __init__(self, grad_layers: int = 2, relu: str = 'head', **affinity: Any) -> None:
        super().__init__(grad_layers, **affinity)
        if relu not in ('head', 'final'):
            raise ValueError(f"relu must be 'head' or 'final', got {relu!r}")
        self.relu = relu

    def layer_map(self, weights: Tensor, gradient: Tensor) -> Tensor:
        """See :meth:`LayerGradients.layer_map`; the attention itself is not used."""
        return (gradient.relu() if self.relu == 'head' else gradient).mean(1)

    def maps(self, model: Any, features: TokenFeatures, keys: Sequence[int]) -> Tensor:
        """(B,K,N) >= 0."""
        return super().maps(model, features, keys).relu()
