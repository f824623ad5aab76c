"""Class activation maps of patch scores."""

from mmwsss.registry import MODELS

from .base import CAMMethod


@MODELS.register_module()
class CAM(CAMMethod):
    """``relu(S_c)``, the class scores of the last layer's patch tokens (Zhou et al., CVPR 2016, on
    a transformer; ACR Table 5).

    Args:
        relu (bool): Cut negative scores off.
        affinity, affinity_layers: See :class:`CAMMethod`.
    """

    def __init__(self, relu=True, *, affinity='Am', affinity_layers=None):
        super().__init__(affinity=affinity, affinity_layers=affinity_layers)
        self.relu = relu

    def maps(self, model, features, keys):
        """(B,K,N)."""
        scores = model.patch_logits(features.patch_map.float())[:, keys].flatten(2)
        return scores.relu() if self.relu else scores
