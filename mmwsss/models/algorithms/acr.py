"""ACR: a single class token, trained so that the attention of two views agrees; maps are gradients
of attention (arXiv 2308.04321).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from mmwsss.checkpoints.released_weights import accept_released_weights
from mmwsss.functional.attention import AttentionRequest
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

from .base import TagClassifier


@MODELS.register_module()
class ACRClassifier(TagClassifier):
    """All-pairs consistency regularisation (Sun et al., ICCV-W 2023), not the adversarial ACR of
    CVPR 2023.

    The class token after the last layer, without the final norm of the ViT, is scored by one linear
    layer. Training sums the losses of two views and adds ``activation_weight * L_act +
    affinity_weight * L_aff`` (Eq. 1-2). Maps are the gradients of the class scores with respect to
    the class token's attention (Eq. 7), refined by the patch affinity (Eq. 8);
    ``test_cfg.refine=False`` gives ACR*.

    Args:
        backbone (dict): :class:`HybridViT` or :class:`TokenViT`, with one class token.
        num_classes (int): C.
        consistency (dict, optional): Options of :class:`ViewConsistency`: ``activation_weight``,
            ``affinity_weight``, ``view``, ``reference_patches``.
        test_cfg (dict): Options of :class:`TagClassifier`; ``cam`` is ``GradientAttention``, maps
            are resized with ``align_corners`` and normalised with 1e-6, as released.
        options: Further options of :class:`TagClassifier`.
    """

    default_test_cfg: dict[str, Any] = dict(
        TagClassifier.default_test_cfg,
        cam=dict(type='mmwsss.GradientAttention'),
        align_corners=True,
        eps=1e-6,
    )

    def __init__(
        self,
        backbone: dict[str, Any],
        num_classes: int,
        *,
        consistency: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(backbone, num_classes, **options)
        if self.backbone.num_class_tokens != 1:
            raise ValueError(
                f'ACRClassifier needs one class token, got {self.backbone.num_class_tokens}; for '
                f'a token per class give mmwsss.MCTformer or mmwsss.MCTformerPlus the option '
                f'consistency'
            )
        if self.cam is None:
            raise ValueError(
                'ACRClassifier computes no maps without a CAM method: test_cfg.cam must be the '
                "config of one, e.g. dict(type='mmwsss.GradientAttention')"
            )
        self.class_head = nn.Linear(self.backbone.embed_dims, num_classes)
        self.consistency = MODELS.build(
            dict(type='mmwsss.ViewConsistency') | dict(consistency or {})
        )
        accept_released_weights(self)

    def loss(self, inputs: Any, data_samples: list[WSSSDataSample]) -> dict[str, Tensor]:
        """``loss_cls``, the sum of the multi-label soft margin losses of both views,
        ``loss_activation`` and ``loss_affinity``.
        """
        return self.consistency.loss(self, inputs, data_samples)

    def training_features(
        self, inputs: Tensor, attention: Mapping[str, AttentionRequest] | None = None
    ) -> TokenFeatures:
        """Features of one view, with the requested attention."""
        return self.backbone(inputs, attention=attention)

    def classification_losses(self, features: TokenFeatures, tags: Tensor) -> dict[str, Tensor]:
        """Loss of the tag scores of one view."""
        return dict(loss_cls=self.tag_loss(self.class_logits(features.class_tokens), tags))

    def class_logits(self, class_tokens: Tensor) -> Tensor:
        return self.class_head(class_tokens[:, 0])

    def patch_logits(self, patch_map: Tensor) -> Tensor:
        """The class head applied to each patch token, as the baselines CAM and TS-CAM do."""
        return self.class_head(patch_map.movedim(1, -1)).movedim(-1, 1)

    def extract(self, inputs: Tensor) -> Any:
        """Features with the inputs that the CAM method needs."""
        return self.cam.extract(self, inputs)

    def scores_of(self, extracted: TokenFeatures) -> Tensor:
        return self.class_logits(extracted.class_tokens).sigmoid()

    def maps_of(self, extracted: TokenFeatures, keys: Sequence[int]) -> Tensor:
        return self.cam.maps_of(self, extracted, keys)
