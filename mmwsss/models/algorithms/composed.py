"""A composition of published parts in one single-stage network (a design of this project): class
tokens and their contrast (MCTformer+), layers supervised by their flatness (AReAM), consistency of
two views (ACR) and swapped assignments with separation (CoSA), on signed maps that are averaged
over superpixels.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mmwsss.functional.attention import AttentionRequest, DeferredAttention
from mmwsss.functional.cam import resize_maps
from mmwsss.functional.proposals import segment_means
from mmwsss.functional.pseudo_labels import class_labels
from mmwsss.functional.reactivation import layer_entropy, layer_weights, refine_by_layer
from mmwsss.models.algorithms.single_stage import MultiScaleMaps
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.models.modules import Superpixels
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

from .cosa import CoSA

SEG_MAPS = dict(weight=16.0, background=0.55, score=0.35)
EXCLUDED = -1e4  # below every score, and finite where scores are resized


@MODELS.register_module()
class Composed(CoSA):
    """:class:`CoSA` on a transformer with a class token per class.

    The following losses, weighted as returned, are added to those of CoSA:

    - ``loss_token`` and ``loss_contrast``: tag scores of the class tokens and their contrast
      (MCTformer+ Eq. 5, 10-12). The tokens are those of the residual stream, not normalised.
    - ``loss_attention``: pairs of patches in every layer, by the labels from the maps of the
      assignment network; layers whose refined maps are flatter get a larger weight (AReAM Eq. 7-10,
      17-20).
    - ``loss_consistency``: the attention of the strong view and that of its mirror image agree; the
      mirror image is classified too (ACR Eq. 1-2). It costs a second pass of the online network,
      which is skipped where its weight is 0.

    Maps may keep their sign until they are normalised, as in TS-CAM, so that a pixel without
    evidence differs from one with evidence against a class. Their means over superpixels then
    follow the outlines of the image; the maximum of a voted map is below 1.

    Args:
        backbone (dict): :class:`TokenViT`; ``num_class_tokens`` is set to ``num_classes`` where it
            is not given.
        num_classes (int): C.
        class_head (dict, optional): Options of :class:`ClassTokenHead`.
        contrast_loss (dict, optional): Options of :class:`ClassTokenContrastLoss`.
        attention_loss (dict, optional): Options of :class:`AttentionAffinityLoss`.
        consistency (dict, optional): Options of :class:`ViewConsistency`.
        signed (bool): Negative scores are kept until the maps are normalised.
        pseudo_label (dict, optional): As :class:`CoSA`, and ``superpixels``: options of
            :class:`Superpixels`, over which the maps that label a batch are averaged. None: they
            are not averaged. The partition runs on the CPU.
        test_cfg (dict, optional): As :class:`CoSA`; ``superpixels``: the same options for predicted
            maps; ``seg_maps``: options of the segmentation that the maps take part in, or None:
            the score of a class is its log probability plus ``weight`` times its map, that of the
            background its log probability plus ``weight`` times ``background``; classes whose tag
            score is not above ``score`` are not predicted.
        options: Further options of :class:`CoSA`.
    """

    default_loss_weights: dict[str, float] = dict(
        CoSA.default_loss_weights, token=1.0, contrast=1.0, attention=0.2, consistency=1.0
    )
    default_pseudo_label: dict[str, Any] = dict(CoSA.default_pseudo_label, superpixels=None)
    default_test_cfg: dict[str, Any] = dict(CoSA.default_test_cfg, superpixels=None, seg_maps=None)
    uses_cams = (*CoSA.uses_cams, 'attention')

    def __init__(
        self,
        backbone: dict[str, Any],
        num_classes: int,
        *,
        class_head: dict[str, Any] | None = None,
        contrast_loss: dict[str, Any] | None = None,
        attention_loss: dict[str, Any] | None = None,
        consistency: dict[str, Any] | None = None,
        signed: bool = False,
        **options: Any,
    ) -> None:
        backbone = dict(backbone)
        backbone.setdefault('num_class_tokens', num_classes)
        super().__init__(backbone, num_classes, **options)
        if self.backbone.num_class_tokens != num_classes:
            raise ValueError(
                f'Composed needs a class token per class: {self.backbone.num_class_tokens} '
                f'tokens, {num_classes} classes'
            )
        self.rectify_cams = self.assignment.rectify_cams = not signed
        self._label_superpixels = _partition(self.pseudo_label['superpixels'])
        self._test_superpixels = _partition(self.test_cfg['superpixels'])
        if self.test_cfg['seg_maps'] is not None:
            self.test_cfg['seg_maps'] = self._options(
                'test_cfg.seg_maps', SEG_MAPS, self.test_cfg['seg_maps']
            )
        parts = dict(
            class_head=('ClassTokenHead', class_head),
            contrast_loss=('ClassTokenContrastLoss', contrast_loss),
            attention_loss=('AttentionAffinityLoss', attention_loss),
            consistency=('ViewConsistency', consistency),
        )
        for name, (kind, given) in parts.items():
            self.add_module(name, MODELS.build(dict(type=f'mmwsss.{kind}') | dict(given or {})))

    def features(self, inputs: Tensor) -> TokenFeatures:
        """Features of (B,3,H,W). In training mode they include the class tokens of every layer, the
        attention that the active losses read and, as the entry ``'mirrored'`` of the attention, the
        features of the mirror image.
        """
        if not self.training:
            return super().features(inputs)
        consistent = self.active('consistency')
        requests = dict(self.consistency.requests()) if consistent else {}
        if self.active('attention'):
            requests['layers'] = AttentionRequest('all', kind='deferred')
        views = torch.cat([inputs, inputs.flip(-1)]) if consistent else inputs
        features = self.backbone(views, attention=requests, class_embeddings=True)
        if not consistent:
            return features
        image = _part(features, slice(len(inputs)))
        mirrored = _part(features, slice(len(inputs), None))
        return image._replace(attention={**image.attention, 'mirrored': mirrored})

    def classification_losses(self, features: TokenFeatures, tags: Tensor) -> dict[str, Tensor]:
        """Losses of :class:`CoSA`, ``loss_token`` and ``loss_contrast``; for features with a mirror
        image, also ``loss_consistency`` and the mean of the other losses over both images.
        """
        losses = super().classification_losses(features, tags)
        tokens = features.class_embeddings
        losses['loss_token'] = self.loss_weights['token'] * self.tag_loss(
            self.class_head(tokens[-1]), tags
        )
        losses['loss_contrast'] = self.loss_weights['contrast'] * self.contrast_loss(tokens, tags)
        mirrored = features.attention.get('mirrored')
        if mirrored is not None:
            others = self.classification_losses(mirrored, tags)
            losses = {name: (value + others[name]) / 2 for name, value in losses.items()}
            losses['loss_consistency'] = self._inconsistency(features, mirrored)
        return losses

    def assign(self, weak: Tensor, tags: Tensor) -> MultiScaleMaps:
        """Maps of :class:`CoSA`, averaged over the superpixels of the weak view where
        ``pseudo_label.superpixels`` is given.
        """
        return self._voted(super().assign(weak, tags), weak, self._label_superpixels)

    def _predict_maps(
        self, image: Tensor, data_samples: list[WSSSDataSample], outputs: Sequence[str]
    ) -> tuple[Tensor, list[list[int]], MultiScaleMaps]:
        scores, keys, maps = super()._predict_maps(image, data_samples, outputs)
        maps = self._voted(maps, image, self._test_superpixels)
        if self._maps_segment(outputs):
            maps = maps._replace(seg_logits=self._fused(maps, scores))
        return scores, keys, maps

    def _map_classes(self, keys: Any, outputs: Sequence[str]) -> list[int]:
        """All classes where the maps take part in the segmentation."""
        if self._maps_segment(outputs):
            return list(range(self.num_classes))
        return super()._map_classes(keys, outputs)

    def _maps_segment(self, outputs: Sequence[str]) -> bool:
        return 'seg' in outputs and self.test_cfg['seg_maps'] is not None

    def _fused(self, maps: MultiScaleMaps, scores: Tensor) -> Tensor:
        """Segmentation scores (B,C+1,H,W) of logits and maps, see ``test_cfg.seg_maps``.

        Args:
            maps: Maps and logits of all classes.
            scores: (B,C) tag scores.
        """
        options = self.test_cfg['seg_maps']
        evidence = F.pad(maps.cams, (0, 0, 0, 0, 1, 0), value=options['background'])
        logits: Any = maps.seg_logits
        fused = logits.float().log_softmax(1) + options['weight'] * evidence
        excluded = F.pad(scores <= options['score'], (1, 0), value=False)
        return fused.masked_fill(excluded[:, :, None, None], EXCLUDED)

    def _voted(
        self, maps: MultiScaleMaps, images: Tensor, partition: Superpixels | None
    ) -> MultiScaleMaps:
        """Maps averaged over the superpixels of normalised images (B,3,H,W)."""
        if partition is None or not len(maps.classes):
            return maps
        pixels = resize_maps(self.pixels(images), maps.cams.shape[-2:])
        pixels = pixels.round().clamp(0, 255).to(torch.uint8)
        segments = [partition(image) for image in pixels]
        cams, aux_cams = (
            torch.stack([segment_means(*pair) for pair in zip(kind, segments)])
            for kind in (maps.cams, maps.aux_cams)
        )
        return maps._replace(cams=cams, aux_cams=aux_cams)

    def _inconsistency(self, features: TokenFeatures, mirrored: TokenFeatures) -> Tensor:
        """Weighted sum of the terms of :class:`ViewConsistency`."""
        grid = features.patch_map.shape[-2:]
        first, second = map(self._compared_layers, (features, mirrored))
        views = ['hflip'] * len(features.class_tokens)
        terms = self.consistency.differences(first, second, grid, views, grid)
        return self.loss_weights['consistency'] * sum(terms.values())

    def _compared_layers(self, features: TokenFeatures) -> dict[str, list[Any]]:
        """Attention of each layer for each term of :class:`ViewConsistency`."""
        return {name: list(features.attention[name]) for name in self.consistency.terms}

    def guidance_losses(
        self,
        features: TokenFeatures,
        maps: MultiScaleMaps,
        tags: Tensor,
        boxes: Tensor,
        data_samples: Sequence[WSSSDataSample] = (),
    ) -> dict[str, Tensor]:
        """Losses of :class:`CoSA` and ``loss_attention``."""
        losses = super().guidance_losses(features, maps, tags, boxes, data_samples)
        if self.active('attention'):
            layers = features.attention['layers']
            labels = self.token_labels(features.patch_map.shape[-2:], tags, boxes, maps)
            losses['loss_attention'] = self.loss_weights['attention'] * self.attention_loss(
                layers,
                labels,
                self._flatness(layers, maps, tags, labels.shape[-2:]),
                class_labels(maps.classes),
            )
        return losses

    @torch.no_grad()
    def _flatness(
        self, layers: Sequence[Any], maps: MultiScaleMaps, tags: Tensor, grid: Sequence[int]
    ) -> Tensor:
        """Weight (B,L) in [0,1] of each layer, 1 for the layer with the flattest refined maps."""
        present = tags[:, maps.classes].to(maps.cams)[:, :, None, None]
        refined = refine_by_layer(layers, resize_maps(maps.cams, grid) * present)
        return layer_weights(layer_entropy(refined))[0]


def _partition(options: dict[str, Any] | None) -> Superpixels | None:
    return None if options is None else Superpixels(**options)


def _part(features: TokenFeatures, images: slice) -> TokenFeatures:
    """Features of some of the images of a batch."""

    def layer_part(layer: Any) -> Any:
        if isinstance(layer, DeferredAttention):
            return layer._replace(query=layer.query[images], key=layer.key[images])
        return layer[images]

    attention = {}
    for name, layers in features.attention.items():
        attention[name] = tuple(map(layer_part, layers))
    return TokenFeatures(
        class_tokens=features.class_tokens[images],
        patch_map=features.patch_map[images],
        class_embeddings=features.class_embeddings[:, images],
        aux_map=features.aux_map[images],
        attention=attention,
    )
