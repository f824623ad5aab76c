"""TS-CAM."""

from collections.abc import Sequence

from torch import Tensor

from mmwsss.functional.attention import AttentionRequest
from mmwsss.functional.precision import at_least_float32
from mmwsss.models.algorithms.acr import ACRClassifier
from mmwsss.models.algorithms.aream import AReAM
from mmwsss.models.algorithms.mctformer_plus import MCTformerPlus
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS

from .base import CAMMethod, token_rows


@MODELS.register_module()
class TSCAM(CAMMethod):
    """Class attention of all layers times the class scores of the patches (TS-CAM, ICCV 2021; ACR
    Table 5).

    Args:
        relu (bool): Set negative scores to 0; TS-CAM's code does not.
        affinity, affinity_layers: See :class:`CAMMethod`.
    """

    variants = {'ts_cam': {}, 'ts_cam_relu': dict(relu=True)}

    requests = {'class': AttentionRequest('class_to_patch', reduce='sum')}

    def __init__(
        self, relu: bool = False, *, affinity: str = 'Am', affinity_layers: int | None = None
    ) -> None:
        super().__init__(affinity=affinity, affinity_layers=affinity_layers)
        self.relu = relu

    def maps(
        self,
        model: ACRClassifier | AReAM | MCTformerPlus,
        features: TokenFeatures,
        keys: Sequence[int],
    ) -> Tensor:
        """(B,K,N)."""
        scores = model.patch_logits(at_least_float32(features.patch_map))[:, keys].flatten(2)
        return features.attention['class'][:, token_rows(model, keys)] * (
            scores.relu() if self.relu else scores
        )
