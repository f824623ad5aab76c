"""MCTformer V1 and V2: one class token per class (CVPR 2022; MCTformer+ paper sections III-A to
III-C).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from mmwsss.checkpoints.released_weights import accept_released_weights
from mmwsss.functional.attention import AttentionRequest
from mmwsss.functional.cam import fuse_cams, refine_with_affinity
from mmwsss.functional.precision import at_least_float32
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.transfer import select

from .base import TagClassifier


@MODELS.register_module()
class MCTformer(TagClassifier):
    """Transformer with one class token per class, whose attention to the patches is the map of the
    class.

    V1 has no patch head; V2 multiplies the attention by the class maps of a convolutional patch
    head.

    Args:
        backbone (dict): :class:`TokenViT`; ``num_class_tokens`` is set to ``num_classes`` where it
            is not given.
        num_classes (int): C.
        class_head (dict, optional): :class:`ClassTokenHead`.
        patch_head (dict, optional): :class:`PatchCAMHead`; None for V1.
        consistency (dict, optional): Options of :class:`ViewConsistency`, which adds ACR's two
            terms; None trains on single views.
        test_cfg (dict): Besides the options of :class:`TagClassifier`: ``map_type`` (``'fused'``,
            ``'mct'``, ``'patchcam'``), ``attention_layers`` (class attention is averaged over the
            last K layers; None for all), ``affinity_layers`` (patch affinity is summed over the
            last layers; None for all), ``fuse_sqrt``.
        options: Further options of :class:`TagClassifier`.
    """

    default_test_cfg: dict[str, Any] = dict(
        TagClassifier.default_test_cfg,
        map_type=None,
        attention_layers=3,
        affinity_layers=None,
        fuse_sqrt=False,
    )

    def __init__(
        self,
        backbone: dict[str, Any],
        num_classes: int,
        *,
        class_head: dict[str, Any] | None = None,
        patch_head: dict[str, Any] | None = None,
        consistency: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        backbone = dict(backbone)
        backbone.setdefault('num_class_tokens', num_classes)
        super().__init__(backbone, num_classes, **options)
        if self.backbone.num_class_tokens != num_classes:
            raise ValueError(
                f'{type(self).__name__} needs a class token per class: '
                f'{self.backbone.num_class_tokens} tokens, '
                f'{num_classes} classes'
            )
        embed_dims = self.backbone.embed_dims
        self.class_head = MODELS.build(dict(type='mmwsss.ClassTokenHead') | dict(class_head or {}))
        self.patch_head: Any = None
        if patch_head is not None:
            self.patch_head = MODELS.build(
                dict(type='mmwsss.PatchCAMHead', num_classes=num_classes, embed_dims=embed_dims)
                | dict(patch_head)
            )
        if self.test_cfg['map_type'] is None:
            self.test_cfg['map_type'] = 'mct' if patch_head is None else 'fused'
        self.consistency = (
            None
            if consistency is None
            else MODELS.build(dict(type='mmwsss.ViewConsistency') | dict(consistency))
        )
        accept_released_weights(self)

    def loss(self, inputs: Tensor, data_samples: list[WSSSDataSample]) -> dict[str, Tensor]:
        """Multi-label soft margin loss of class tokens and, with a patch head, of the pooled patch
        maps.
        """
        if self.consistency is not None:
            return self.consistency.loss(self, inputs, data_samples)
        tags = self.gt_tags(data_samples, inputs)
        return self.classification_losses(self.training_features(inputs), tags)

    def training_features(
        self, inputs: Tensor, attention: Mapping[str, AttentionRequest] | None = None
    ) -> TokenFeatures:
        """Features that :meth:`classification_losses` reads, with the requested attention."""
        return self.backbone(inputs, attention=attention)

    def classification_losses(self, features: TokenFeatures, tags: Tensor) -> dict[str, Tensor]:
        """``loss_cls`` and ``loss_patch`` (MCTformer+ Eq. 5 and 9)."""
        losses = dict(loss_cls=self.tag_loss(self.class_head(features.class_tokens), tags))
        if self.patch_head is not None:
            patch_logits = self.patch_head.pool(self.patch_head(features.patch_map))
            losses['loss_patch'] = self.tag_loss(patch_logits, tags)
        return losses

    def extract(self, inputs: Tensor) -> tuple[TokenFeatures, Tensor | None]:
        """Features with the attention that the maps need, and the patch class maps."""
        requests = self.class_requests()
        if self.test_cfg['refine']:
            requests['affinity'] = AttentionRequest(
                'patch_to_patch', layers=self.test_cfg['affinity_layers'], reduce='sum'
            )
        return self.gather(self.backbone(inputs, attention=requests))

    def class_requests(self) -> dict[str, AttentionRequest]:
        """The attention ``'class'`` of the class tokens, where the maps are computed from it."""
        if self.test_cfg['map_type'] == 'patchcam':
            return {}
        layers = self.test_cfg['attention_layers']
        return {'class': AttentionRequest('class_to_patch', layers=layers, reduce='mean')}

    def gather(self, features: TokenFeatures) -> tuple[TokenFeatures, Tensor | None]:
        """Features and, with a patch head, patch class maps."""
        return features, None if self.patch_head is None else self.patch_head(features.patch_map)

    def class_logits(self, class_tokens: Tensor) -> Tensor:
        return self.class_head(class_tokens)

    def patch_logits(self, patch_map: Tensor) -> Tensor:
        if self.patch_head is None:
            return super().patch_logits(patch_map)
        return self.patch_head(patch_map)

    def scores_of(self, extracted: tuple[TokenFeatures, Tensor | None]) -> Tensor:
        features, patch_cams = extracted
        logits = self.class_head(features.class_tokens)
        if patch_cams is not None:
            logits = self.combine_logits(logits, self.patch_head.pool(patch_cams))
        return logits.sigmoid()

    def combine_logits(self, class_logits: Tensor, patch_logits: Tensor) -> Tensor:
        """Scores of the class tokens alone (V1 and V2)."""
        return class_logits

    def maps_of(
        self, extracted: tuple[TokenFeatures, Tensor | None], keys: Sequence[int]
    ) -> Tensor:
        """Fused maps, refined by the patch affinity (MCTformer+ sections III-B, III-C)."""
        features, patch_cams = extracted
        attention = features.attention
        class_attention: Any = None
        if 'class' in attention:
            class_attention = select(attention['class'], keys, 1).unflatten(
                2, features.patch_map.shape[-2:]
            )
        if patch_cams is not None:
            patch_cams = at_least_float32(select(patch_cams, keys, 1))
        cams = fuse_cams(
            class_attention, patch_cams, self.test_cfg['map_type'], sqrt=self.test_cfg['fuse_sqrt']
        )
        return (
            refine_with_affinity(cams, attention['affinity']) if self.test_cfg['refine'] else cams
        )
