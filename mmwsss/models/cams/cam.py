"""Class activation maps of patch scores."""

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from mmwsss.functional.precision import at_least_float32
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS

from .base import CAMMethod


@MODELS.register_module()
class CAM(CAMMethod):
    """``relu(S_c)``, the class scores of the last layer's patch tokens (Zhou et al., CVPR 2016, on
    a transformer; ACR Table 5).

    Args:
        relu (bool): Set negative scores to 0.
        affinity, affinity_layers: See :class:`CAMMethod`.
    """

    variants: ClassVar[dict[str, dict[str, Any]]] = {'cam': {}}

    def __init__(
        self, relu: bool = True, *, affinity: str = 'Am', affinity_layers: int | None = None
    ) -> None:
        super().__init__(affinity=affinity, affinity_layers=affinity_layers)
        self.relu = relu

    def maps(self, model: Any, features: TokenFeatures, keys: Sequence[int]) -> Tensor:
        """(B,K,N)."""
        scores = model.patch_logits(at_least_float32(features.patch_map))[:, keys].flatten(2)
        return scores.relu() if self.relu else scores
