"""MCTformer+: MCTformer V2 with weighted ranking pooling and contrast between class tokens (arXiv
2308.03005).
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmwsss.functional.attention import AttentionRequest
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS

from .mctformer import MCTformer


@MODELS.register_module()
class MCTformerPlus(MCTformer):
    """Multi-class token transformer with GWRP patch scores and the class-token contrastive loss.

    ``L = L_cls + L_patch + contrast_weight * L_cct``. Every difference between the paper and the
    released code is an option, with the behaviour of the released code as the default.

    Args:
        backbone (dict): :class:`TokenViT`.
        num_classes (int): C.
        patch_head (dict, optional): Options of :class:`PatchCAMHead`; GWRP with decay 0.996 by
            default.
        contrast_loss (dict, optional): Options of :class:`ClassTokenContrastLoss`.
        contrast_weight (float): Weight of the contrast; 0 switches it off.
        test_cfg (dict): As :class:`MCTformer`; all layers' class attention, square root of the
            fused maps.
        options: Further options of :class:`MCTformer` (``class_head``, ``consistency`` ...).
    """

    default_test_cfg = dict(MCTformer.default_test_cfg, attention_layers=None, fuse_sqrt=True)

    def __init__(
        self,
        backbone: dict[str, Any],
        num_classes: int,
        *,
        patch_head: dict[str, Any] | None = None,
        contrast_loss: dict[str, Any] | None = None,
        contrast_weight: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(backbone, num_classes, patch_head=dict(patch_head or {}), **options)
        self.contrast_loss = MODELS.build(
            dict(type='mmwsss.ClassTokenContrastLoss') | dict(contrast_loss or {})
        )
        self.contrast_weight = contrast_weight

    def training_features(
        self, inputs: Tensor, attention: Mapping[str, AttentionRequest] | None = None
    ) -> TokenFeatures:
        """Features as in V2, with the class tokens of every layer for their contrast (Eq. 12)."""
        return self.backbone(
            inputs, attention=attention, class_embeddings=self.contrast_weight != 0
        )

    def classification_losses(self, features: TokenFeatures, tags: Tensor) -> dict[str, Tensor]:
        """``loss_cls``, ``loss_patch`` and, if the features include class embeddings,
        ``loss_contrast``.
        """
        losses = super().classification_losses(features, tags)
        if features.class_embeddings is not None:
            losses['loss_contrast'] = self.contrast_weight * self.contrast_loss(
                features.class_embeddings, tags
            )
        return losses

    def combine_logits(self, class_logits: Tensor, patch_logits: Tensor) -> Tensor:
        """Mean of token and patch scores, as the released code outputs."""
        return (class_logits + patch_logits) / 2
