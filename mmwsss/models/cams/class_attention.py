"""Class attention as a map."""

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from mmwsss.functional.attention import AttentionRequest
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS

from .base import CAMMethod, token_rows


@MODELS.register_module()
class ClassAttention(CAMMethod):
    """Attention of the class token to the patches, mean over heads and the last layers (MCTformer
    V1).

    With a token per class, the row of the class is used; with a single token, all classes share its
    row, because no gradient makes it class-specific.

    Args:
        layers (int, optional): Number of last layers; None for all.
        affinity, affinity_layers: See :class:`CAMMethod`.
    """

    variants: ClassVar[dict[str, dict[str, Any]]] = {'class_attention': {}}

    def __init__(
        self, layers: int | None = None, *, affinity: str = 'Am', affinity_layers: int | None = None
    ) -> None:
        super().__init__(affinity=affinity, affinity_layers=affinity_layers)
        request = AttentionRequest('class_to_patch', layers=layers, reduce='mean')
        self.requests = {'class': request}

    def maps(self, model: Any, features: TokenFeatures, keys: Sequence[int]) -> Tensor:
        """(B,K,N) >= 0."""
        return features.attention['class'][:, token_rows(model, keys)]
