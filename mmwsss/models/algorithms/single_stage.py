"""The single-stage baseline: one network whose class activation maps supervise its segmentation
branch.

The common part of AFA, ToCo (CVPR 2023), MCC (WACV 2024) and CoSA (ECCV 2024).
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from mmengine.structures import PixelData
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.checkpoints.released_weights import accept_released_weights
from mmwsss.functional.cam import minmax_normalize, resize_maps
from mmwsss.functional.fusion import ScoreFusion
from mmwsss.functional.images import denormalize
from mmwsss.functional.pooling import global_weighted_ranking_pool
from mmwsss.functional.pseudo_labels import (
    boxes_on_grid,
    cam_to_label,
    labels_two_pass,
    most_tags,
    to_class_ids,
)
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.transfer import select, send

from .base import DTYPES, TagClassifier

OUTPUTS = ('cam', 'aux_cam', 'seg')
EXPORTS = ('main', 'aux', 'ensemble')


class MultiScaleMaps(NamedTuple):
    """Result of :meth:`SingleStage.multi_scale_maps`.

    Attributes:
        classes (Tensor): (U,) int64, 0-based class of each map.
        cams (Tensor): (B,U,H,W) float32 in [0,1), maps of the main classifier.
        aux_cams (Tensor): (B,U,H,W), maps of the auxiliary classifier.
        seg_logits (Tensor | None): (B,C+1,H,W), fused.
        num_slots (int | None): Largest number of tags of an image, if it is known on the host.
    """

    classes: torch.Tensor
    cams: torch.Tensor
    aux_cams: torch.Tensor
    seg_logits: torch.Tensor | None
    num_slots: int | None = None

    def of(self, source: str) -> torch.Tensor:
        """Maps (B,U,H,W) of the ``'main'`` or the ``'aux'`` classifier, or their mean
        ``'ensemble'``.
        """
        if source == 'ensemble':
            return (self.cams + self.aux_cams) / 2
        return self.cams if source == 'main' else self.aux_cams


@MODELS.register_module()
class SingleStage(TagClassifier):
    """Classifier, auxiliary classifier and segmentation decoder on one vision transformer, trained
    together from image tags.

    A training step computes multi-scale CAMs with the current weights and, from them, token labels
    for the affinity loss and pixel labels for the decoder; both use the same features of the image.
    Dropout and stochastic depth of the backbone would affect the labels too: use a backbone without
    them, as the papers do. Losses (weighted as returned): ``loss_cls``, ``loss_aux_cls``,
    ``loss_affinity``, ``loss_seg``, ``loss_energy``.

    Args:
        backbone (dict): :class:`TokenViT` with ``final_norm=True`` and an ``aux_layer``.
        num_classes (int): C.
        decode_head (dict, optional): Options of :class:`LargeFOVHead`.
        ranking_decay (float, optional): Weight of a rank relative to the one before where tag
            scores are pooled from class maps by weighted ranking (GWRP, MCTformer+ Eq. 8). Default:
            the classifiers score the global maximum of each feature, as published.
        seg_loss, affinity_loss, energy_loss (dict, optional): Options of :class:`BalancedSegLoss`,
            :class:`TokenAffinityLoss` and :class:`DenseEnergyLoss`.
        loss_weights (dict, optional): Overrides of ``default_loss_weights``; a loss of weight 0 is
            never computed.
        loss_starts (dict, optional): First iteration (0-based) at which a loss is active, by its
            name; 0 by default.
        pseudo_label (dict, optional): Overrides of ``default_pseudo_label``: ``high`` and ``low``
            thresholds; ``scales`` and ``flip`` of the CAMs; ``par``, options of :class:`PAR` or
            None; ``downscale`` of its images; ``seg_cam`` and ``affinity_cam``, the classifier
            whose maps define the pixel and the token labels: ``'main'``, ``'aux'``, or a schedule
            ``[(first iteration, source), ...]``; ``legacy_box``: apply the box in pixels to the
            token labels, as the released code does (a third of its crops had no affinity pair).
        test_cfg (dict, optional): As :class:`TagClassifier` without ``refine``, and ``size`` (H,W)
            that images are resized to without keeping the aspect ratio, or None; ``scales`` of the
            CAMs; ``seg_scales``, ``seg_flip`` and ``seg_fusion`` (rule of :class:`ScoreFusion`) of
            the segmentation; ``outputs``, which of ``'cam'``, ``'aux_cam'``, ``'seg'`` to predict;
            ``export``, the maps that ``'cam'`` predicts: of the ``'main'`` or the ``'aux'``
            classifier, or their mean ``'ensemble'``.

    Raises:
        ValueError: An option or the name of a loss is unknown. The message lists the known ones.
    """

    segments = True
    default_loss_weights: dict[str, float] = dict(
        cls=1.0, aux_cls=1.0, affinity=0.2, seg=0.1, energy=0.05
    )
    default_pseudo_label: dict[str, Any] = dict(
        high=0.7,
        low=0.25,
        scales=(1.0, 0.5, 1.5),
        flip=True,
        par=dict(),
        downscale=2,
        seg_cam='main',
        affinity_cam='aux',
        legacy_box=False,
    )
    default_test_cfg: dict[str, Any] = dict(
        flip=True,
        dtype='fp32',
        score_threshold=0.5,
        tags='gt',
        size=None,
        scales=(1.0, 0.5, 1.5),
        seg_scales=(1.0,),
        seg_flip=False,
        seg_fusion='max_of_flip_sums',
        outputs=OUTPUTS,
        export='main',
    )
    uses_cams: tuple[str, ...] = ('affinity', 'seg', 'energy')
    aux_scales = 'all'
    rectify_cams = True  # negative scores of each scale count as 0
    # segmentation scores are fused at the size of the image, not of the input
    fuse_at_input_size = False

    def __init__(
        self,
        backbone: dict[str, Any],
        num_classes: int,
        *,
        decode_head: dict[str, Any] | None = None,
        ranking_decay: float | None = None,
        seg_loss: dict[str, Any] | None = None,
        affinity_loss: dict[str, Any] | None = None,
        energy_loss: dict[str, Any] | None = None,
        loss_weights: dict[str, Any] | None = None,
        loss_starts: dict[str, Any] | None = None,
        pseudo_label: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(backbone, num_classes, **options)
        self.loss_weights = self._options('loss_weights', self.default_loss_weights, loss_weights)
        self.loss_starts = self._options(
            'loss_starts', dict.fromkeys(self.loss_weights, 0), loss_starts
        )
        self.pseudo_label = self._options('pseudo_label', self.default_pseudo_label, pseudo_label)
        self.seg_cam, self.affinity_cam = (
            cam_schedule(key, self.pseudo_label[key]) for key in ('seg_cam', 'affinity_cam')
        )
        unknown = set(self.test_cfg['outputs']) - set(OUTPUTS)
        if unknown or not self.test_cfg['outputs']:
            raise ValueError(
                f'test_cfg.outputs must be some of {OUTPUTS}, got {self.test_cfg["outputs"]}'
            )
        if self.test_cfg['export'] not in EXPORTS:
            raise ValueError(
                f'test_cfg.export must be one of {EXPORTS}, got {self.test_cfg["export"]!r}'
            )
        ScoreFusion(self.test_cfg['seg_fusion'])  # reports an unknown rule at construction
        if getattr(self.backbone, 'aux_layer', None) is None:
            raise ValueError(
                f'{type(self).__name__} needs the map of an earlier layer: set aux_layer of the '
                f'backbone, e.g. -3'
            )
        self.ranking_decay = ranking_decay
        embed_dims = self.backbone.embed_dims
        self.classifier = nn.Conv2d(embed_dims, num_classes, 1, bias=False)
        self.aux_classifier = nn.Conv2d(embed_dims, num_classes, 1, bias=False)
        self.decode_head = MODELS.build(
            dict(type='mmwsss.LargeFOVHead', in_channels=embed_dims, num_classes=num_classes + 1)
            | dict(decode_head or {})
        )
        self.seg_loss = MODELS.build(dict(type='mmwsss.BalancedSegLoss') | dict(seg_loss or {}))
        self.affinity_loss = MODELS.build(
            dict(type='mmwsss.TokenAffinityLoss') | dict(affinity_loss or {})
        )
        self.energy_loss = MODELS.build(
            dict(type='mmwsss.DenseEnergyLoss', kernel='lattice') | dict(energy_loss or {})
        )
        par = self.pseudo_label['par']
        self.par = None if par is None else MODELS.build(dict(type='mmwsss.PAR') | dict(par))
        self.iteration = 0
        accept_released_weights(self)

    def _options(
        self, name: str, defaults: dict[str, Any], given: dict[str, Any] | None
    ) -> dict[str, Any]:
        unknown = set(given or ()) - set(defaults)
        if unknown:
            raise ValueError(
                f'{type(self).__name__}.{name} has no entry {sorted(unknown)}; entries: '
                f'{sorted(defaults)}'
            )
        return dict(defaults, **(given or {}))

    # Network --------------------------------------------------------------------------------------

    def features(self, inputs: Tensor) -> TokenFeatures:
        """:class:`TokenFeatures` of (B,3,H,W)."""
        return self.backbone(inputs)

    def set_cam(self, cam: dict[str, Any] | None) -> None:
        """Reject CAM methods: single-stage methods compute their maps from an image pyramid, so
        that only None is valid.
        """
        if cam is not None:
            raise ValueError(
                f'{type(self).__name__} computes maps from its own classifiers and supports '
                f'no other CAM method'
            )

    def tag_logits(self, features: TokenFeatures) -> tuple[Tensor, Tensor]:
        """Logits (B,C) of the main and of the auxiliary classifier: the classifier on the global
        maximum of each feature, or weighted ranking of the class maps.
        """
        main, aux = features.patch_map, features.aux_map
        if self.ranking_decay is not None:
            decay = self.ranking_decay
            return (
                global_weighted_ranking_pool(self.classifier(main), decay),
                global_weighted_ranking_pool(self.aux_classifier(aux), decay),
            )
        return (
            self.classifier(main.amax((2, 3), keepdim=True)).flatten(1),
            self.aux_classifier(aux.amax((2, 3), keepdim=True)).flatten(1),
        )

    def raw_cams(
        self, features: TokenFeatures, classes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Maps (B,U,h,w) of the main and of the auxiliary classifier, signed; no gradient reaches
        the classifiers.

        Args:
            features (TokenFeatures): Features of B images.
            classes (Tensor, optional): (U,) class ids; all C by default.
        """
        return (
            _class_maps(features.patch_map, self.classifier.weight.detach(), classes),
            _class_maps(features.aux_map, self.aux_classifier.weight.detach(), classes),
        )

    def seg_logits(self, features: TokenFeatures) -> Tensor:
        """Logits (B,C+1,h,w) of the decoder."""
        return self.decode_head([features.patch_map])

    @torch.no_grad()
    def multi_scale_maps(
        self,
        inputs: Tensor,
        classes: Tensor | None = None,
        *,
        scales: Sequence[float] = (1.0, 0.5, 1.5),
        flip: bool = True,
        features: TokenFeatures | None = None,
        size: Sequence[int] | None = None,
        seg_fusion: str | None = None,
        seg_labels: Tensor | None = None,
        seg_scales: Sequence[float] | None = None,
        seg_flip: bool | None = None,
        seg_size: Sequence[int] | None = None,
        aux_scales: str | None = None,
    ) -> MultiScaleMaps:
        """Class activation maps, and on request segmentation scores, of an image pyramid (MCC Eq.
        5, CoSA section 3.2).

        The maximum over a scale and its flip is rectified (the attribute ``rectify_cams``), the
        scales are summed, and each map is normalised to [0,1). All later steps read tagged classes
        only, so the maps of other classes are not needed.

        Args:
            inputs (Tensor): (B,3,H,W); scales have int(s H) x int(s W) pixels (bilinear).
            classes (Tensor, optional): (U,) class ids; all C by default.
            scales (Sequence[float]): Distinct scales of the pyramid.
            flip (bool): Add the horizontal flip of each scale.
            features (TokenFeatures, optional): Features of ``inputs``, if they have been computed,
                which saves a pass.
            size (tuple[int], optional): Size of the maps; (H,W) by default.
            seg_fusion (str, optional): Rule of :class:`ScoreFusion` for the segmentation logits;
                None: none are computed.
            seg_labels (Tensor, optional): Labels (0 background) whose segmentation logits are
                computed, in this order; all C+1 by default.
            seg_scales, seg_flip, seg_size (optional): Options of the segmentation, where they
                differ from those of the maps. A scale that both need is computed once.
            aux_scales (str, optional): ``'last'`` keeps the auxiliary maps of the last scale only
                (CoSA as released), ``'all'`` adds all. Default: the attribute ``aux_scales``.

        Returns:
            MultiScaleMaps: float32, no gradient.
        """
        size = tuple(inputs.shape[-2:] if size is None else size)
        seg_scales = scales if seg_scales is None else seg_scales
        seg_flip = flip if seg_flip is None else seg_flip
        seg_size = size if seg_size is None else seg_size
        classes = (
            torch.arange(self.num_classes, device=inputs.device) if classes is None else classes
        )
        chosen = slice(None) if seg_labels is None else seg_labels
        aux_scales = self.aux_scales if aux_scales is None else aux_scales
        fusion = None if seg_fusion is None else ScoreFusion(seg_fusion)
        cams = aux_cams = inputs.new_zeros(len(inputs), len(classes), *size, dtype=torch.float32)
        # the scales of the maps and of the segmentation differ, and so do their flips
        flips = dict.fromkeys(scales if len(classes) else (), flip)
        if fusion is not None:
            flips.update({scale: seg_flip or flips.get(scale, False) for scale in seg_scales})
        for scale, view_size, views in self._pyramid(inputs, flips, features):
            if len(classes) and scale in scales:
                raw = [self.raw_cams(view, classes) for view in views[: 1 + flip]]
                main, aux = (
                    torch.stack(self._upsample_views(maps, view_size, size)).amax(0)
                    for maps in zip(*raw)
                )
                if self.rectify_cams:
                    main, aux = main.relu_(), aux.relu_()
                cams = cams + main
                aux_cams = aux if aux_scales == 'last' else aux_cams + aux
            if fusion is not None and scale in seg_scales:
                logits = [self.seg_logits(view)[:, chosen] for view in views[: 1 + seg_flip]]
                fusion.add(self._upsample_views(logits, view_size, seg_size), dim=1)
        if len(classes):
            cams, aux_cams = minmax_normalize(cams, eps=1e-5), minmax_normalize(aux_cams, eps=1e-5)
        return MultiScaleMaps(classes, cams, aux_cams, None if fusion is None else fusion.result())

    def _pyramid(
        self, inputs: Tensor, flips: dict[float, bool], features: TokenFeatures | None
    ) -> Iterator[tuple[float, tuple[int, ...], list[TokenFeatures]]]:
        """Each scale of ``{scale: flip}``, its size (h,w) and its features: a list of those of the
        image and of its flip.
        """
        for scale, flip in flips.items():
            if scale == 1 and features is not None:
                yield (
                    scale,
                    inputs.shape[-2:],
                    [features, self.features(inputs.flip(-1))] if flip else [features],
                )
                continue
            x = (
                inputs
                if scale == 1
                else F.interpolate(
                    inputs,
                    size=[int(scale * side) for side in inputs.shape[-2:]],
                    mode='bilinear',
                    align_corners=False,
                )
            )
            both = self.features(torch.cat([x, x.flip(-1)]) if flip else x)
            yield (
                scale,
                x.shape[-2:],
                [
                    both._replace(class_tokens=tokens, patch_map=patches, aux_map=aux)
                    for tokens, patches, aux in zip(
                        both.class_tokens.split(len(x)),
                        both.patch_map.split(len(x)),
                        both.aux_map.split(len(x)),
                    )
                ],
            )

    def _upsample_views(
        self, maps: Sequence[Tensor], view_size: Sequence[int], size: Sequence[int]
    ) -> list[Tensor]:
        """Maps (B,K,h,w) of a view of ``view_size`` and, if there is a second one, of its flip,
        float32 at ``size``, with the flip undone.
        """
        resized = [self.to_image_size(part.float(), view_size, size) for part in maps]
        return [part.flip(-1) if flipped else part for flipped, part in enumerate(resized)]

    # Training -------------------------------------------------------------------------------------

    def loss(
        self, inputs: Tensor | list[Tensor], data_samples: list[WSSSDataSample]
    ) -> dict[str, Tensor]:
        """Losses of a batch, each the mean of the losses of its images.

        Args:
            inputs (Tensor | list[Tensor]): (B,3,H,W), or views of this shape, of which the first is
                the labelled image.
            data_samples (list[WSSSDataSample]): With ``gt_tags``; the metainfo ``img_box`` (y0, y1,
                x0, x1) is the part of the crop that the image covers, by default the whole crop.

        Returns:
            dict[str, Tensor]
        """
        views = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        image = views[0]
        host_tags, boxes = self.host_tags(data_samples), self.boxes(data_samples, image)
        tags = send(host_tags, image.device)
        features = self.features(image)
        losses = self.classification_losses(features, tags)
        if any(self.active(name) for name in self.uses_cams):
            maps = self.multi_scale_maps(
                image,
                send(self.present_classes(host_tags), image.device),
                scales=self.pseudo_label['scales'],
                flip=self.pseudo_label['flip'],
                features=features,
            )._replace(num_slots=most_tags(host_tags))
            if self.active('affinity'):
                labels = self.token_labels(features.patch_map.shape[-2:], tags, boxes, maps)
                losses['loss_affinity'] = self.loss_weights['affinity'] * self.affinity_loss(
                    features.patch_map, labels
                )
            losses.update(self.extra_losses(views, features, maps, tags))
            if self.active('seg') or self.active('energy'):
                losses.update(
                    self.segmentation_losses(
                        image, features, boxes, self.pseudo_labels(image, tags, boxes, maps)
                    )
                )
        return losses

    def classification_losses(self, features: TokenFeatures, tags: Tensor) -> dict[str, Tensor]:
        """``loss_cls`` and ``loss_aux_cls``: multi-label soft margin loss of the two
        classifiers.
        """
        logits, aux_logits = self.tag_logits(features)
        return dict(
            loss_cls=self.loss_weights['cls'] * self.tag_loss(logits, tags),
            loss_aux_cls=self.loss_weights['aux_cls'] * self.tag_loss(aux_logits, tags),
        )

    def segmentation_losses(
        self, image: Tensor, features: TokenFeatures, boxes: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """``loss_seg`` and ``loss_energy`` of the decoder against pixel labels (B,H,W)."""
        losses: dict[str, Tensor] = {}
        logits = self.to_image_size(
            self.seg_logits(features).float(), image.shape[-2:], labels.shape[-2:]
        )
        if self.active('seg'):
            losses['loss_seg'] = self.loss_weights['seg'] * self.seg_loss(logits, labels)
        if self.active('energy'):
            losses['loss_energy'] = self.loss_weights['energy'] * self.energy_loss(
                logits, self.pixels(image), labels, boxes
            )
        return losses

    def extra_losses(
        self, views: list[Tensor], features: TokenFeatures, maps: MultiScaleMaps, tags: Tensor
    ) -> dict[str, Tensor]:
        """Losses of a subclass.

        Args:
            views (list[Tensor]): V views (B,3,H,W).
            features (TokenFeatures): Features of the first view, with gradient.
            maps (MultiScaleMaps): Maps of the first view.
            tags (Tensor): (B,C).

        Returns:
            dict[str, Tensor]
        """
        return {}

    def token_labels(
        self, grid: Sequence[int], tags: Tensor, boxes: Tensor, maps: MultiScaleMaps
    ) -> Tensor:
        """Labels (B,h,w) of the tokens, by two thresholds on the maps resized to the grid."""
        cams = self.cam_of(self.affinity_cam, maps)
        if not self.pseudo_label['legacy_box']:
            boxes = boxes_on_grid(boxes, cams.shape[-2:], grid)
        labels = cam_to_label(
            resize_maps(cams, grid),
            tags[:, maps.classes],
            high=self.pseudo_label['high'],
            low=self.pseudo_label['low'],
            boxes=boxes,
        )
        return to_class_ids(labels, maps.classes)

    def pseudo_labels(
        self, image: Tensor, tags: Tensor, boxes: Tensor, maps: MultiScaleMaps
    ) -> Tensor:
        """Labels (B,H,W) of the pixels of ``image`` (B,3,H,W), by two thresholds that compete with
        the maps, refined by PAR.
        """
        options = self.pseudo_label
        with torch.autocast(image.device.type, enabled=False):
            labels = labels_two_pass(
                self.pixels(image, rounding='round'),
                self.cam_of(self.seg_cam, maps),
                tags[:, maps.classes],
                high=options['high'],
                low=options['low'],
                boxes=boxes,
                par=self.par,
                downscale=options['downscale'],
                num_slots=maps.num_slots,
            )
        return to_class_ids(labels, maps.classes)

    def cam_of(self, schedule: list[tuple[int, str]], maps: MultiScaleMaps) -> Tensor:
        """Maps (B,U,H,W) that a schedule (see :func:`cam_schedule`) selects at the current
        iteration.
        """
        source = [source for start, source in schedule if start <= self.iteration][-1]
        return maps.of(source)

    def active(self, name: str) -> bool:
        """Whether a loss is active at the current iteration."""
        return self.loss_weights[name] != 0 and self.iteration >= self.loss_starts[name]

    def update_schedule(self, *, epoch: int, iteration: int) -> None:
        """Set the training iteration, from 0; only :class:`LossScheduleHook` calls this, before
        each iteration.
        """
        self.iteration = iteration

    @staticmethod
    def present_classes(tags: Tensor) -> Tensor:
        """Ids (U,) of the classes that any image of a batch has, from tags (B,C) on the host."""
        return (tags > 0).any(0).nonzero().flatten()

    def pixels(self, inputs: Tensor, rounding: str | None = None) -> Tensor:
        """Grey levels (B,3,H,W) 0..255 of normalised images, in RGB order."""
        preprocessor = self.data_preprocessor
        return denormalize(inputs, preprocessor.mean, preprocessor.std, rounding=rounding)

    @torch.no_grad()
    def inspect(
        self, inputs: Tensor | list[Tensor], data_samples: list[WSSSDataSample]
    ) -> dict[str, Tensor]:
        """Visualisation data of a training step, for the first image of a batch.

        Returns:
            dict: ``image`` (3,H,W) uint8 RGB, ``classes`` (U,), ``cam`` and ``aux_cam`` (U,H,W),
                ``pseudo_label`` and ``prediction`` (H,W).
        """
        image = (inputs if isinstance(inputs, Tensor) else inputs[0])[:1]
        network, samples = self.predictor(), data_samples[:1]
        host_tags, boxes = self.host_tags(samples), self.boxes(samples, image)
        tags = send(host_tags, image.device)
        features = network.features(image)
        maps = network.multi_scale_maps(
            image,
            send(self.present_classes(host_tags), image.device),
            scales=self.pseudo_label['scales'],
            flip=self.pseudo_label['flip'],
            features=features,
        )
        seg_logits = network.to_image_size(
            network.seg_logits(features).float(), image.shape[-2:], image.shape[-2:]
        )
        return dict(
            image=self.pixels(image, rounding='round')[0].byte(),
            classes=maps.classes,
            cam=maps.cams[0],
            aux_cam=maps.aux_cams[0],
            pseudo_label=self.pseudo_labels(image, tags, boxes, maps)[0],
            prediction=seg_logits[0].argmax(0),
        )

    # Prediction -----------------------------------------------------------------------------------

    def predictor(self) -> 'SingleStage':
        """The :class:`SingleStage` that predicts: this one or its teacher."""
        return self

    def extract(self, inputs: Tensor) -> TokenFeatures:
        return self.features(inputs)

    def scores_of(self, extracted: TokenFeatures) -> Tensor:
        return self.tag_logits(extracted)[0].sigmoid()

    def maps_of(self, extracted: Any, keys: Any) -> Any:
        classes = send(torch.tensor(keys, dtype=torch.long), extracted.patch_map.device)
        return self.raw_cams(extracted, classes)[0].relu()

    def predict_cams(
        self, views: list[Tensor], data_samples: list[WSSSDataSample]
    ) -> tuple[Tensor, list[list[int]], list[Tensor]]:
        """CAMs of images of the same size; the scales are those of ``test_cfg``, computed from the
        first view.

        Returns:
            tuple: See :meth:`TagClassifier.predict_cams`.
        """
        scores, keys, maps = self._predict_maps(views[0], data_samples, ('cam',))
        classes = self._map_classes(keys, ('cam',))
        return scores, keys, _maps_of_images(maps.cams, classes, keys)

    def predict_group(self, views: list[Tensor], data_samples: list[WSSSDataSample]) -> None:
        """Add ``pred_scores`` and, depending on ``test_cfg.outputs``, ``pred_cams``,
        ``pred_aux_cams`` (PixelData (K,H,W) of the same classes), ``seg_logits`` (C+1,H,W) and
        ``pred_sem_seg``
        (1,H,W)."""
        outputs = self.test_cfg['outputs']
        scores, keys, maps = self._predict_maps(views[0], data_samples, outputs)
        classes = self._map_classes(keys, outputs)
        for index, sample in enumerate(data_samples):
            sample.set_pred_scores(scores[index])
            if maps.seg_logits is not None:
                sample.seg_logits = PixelData(data=maps.seg_logits[index])
                sample.pred_sem_seg = PixelData(data=maps.seg_logits[index].argmax(0, keepdim=True))
        for output, cams, field in (
            ('cam', maps.cams, 'pred_cams'),
            ('aux_cam', maps.aux_cams, 'pred_aux_cams'),
        ):
            if output in outputs:
                for sample, image_keys, image_cams in zip(
                    data_samples, keys, _maps_of_images(cams, classes, keys)
                ):
                    sample.set_cams(field, image_keys, image_cams)

    def _predict_maps(
        self, image: Tensor, data_samples: list[WSSSDataSample], outputs: Sequence[str]
    ) -> tuple[Tensor, list[list[int]], MultiScaleMaps]:
        options, network = self.test_cfg, self.predictor()
        if options['size'] is not None:
            image = F.interpolate(
                image, size=tuple(options['size']), mode='bilinear', align_corners=False
            )
        size = tuple(data_samples[0].metainfo.get('ori_shape', image.shape[-2:]))[:2]
        network.large_enough([1], [image.shape[-2:]], data_samples)

        def usable(scales: Sequence[float]) -> Any:
            height, width = image.shape[-2:]
            sizes = [[int(scale * height), int(scale * width)] for scale in scales]
            return network.large_enough(scales, sizes, data_samples)

        cam_scales, seg_scales = usable(options['scales']), usable(options['seg_scales'])
        dtype = DTYPES[options['dtype']]
        with (
            torch.no_grad(),
            nullcontext() if dtype is None else torch.autocast(image.device.type, dtype),
        ):
            features = network.features(image)
            scores = network.tag_logits(features)[0].float().sigmoid()
            keys = self._keys(scores, data_samples)
            if set(outputs) == {'seg'}:
                keys = [[] for _ in keys]
            classes = torch.tensor(self._map_classes(keys, outputs), dtype=torch.long)
            classes = send(classes, image.device)
            # maps are computed and normalised at the size of the input, then resized
            maps = network.multi_scale_maps(
                image,
                classes,
                scales=cam_scales,
                flip=options['flip'],
                features=features,
                seg_fusion=options['seg_fusion'] if 'seg' in outputs else None,
                seg_scales=seg_scales,
                seg_flip=options['seg_flip'],
                seg_size=None if self.fuse_at_input_size else size,
            )
        seg_logits = None if maps.seg_logits is None else resize_maps(maps.seg_logits, size)
        return (
            scores,
            keys,
            maps._replace(
                cams=resize_maps(maps.of(options['export']), size),
                aux_cams=resize_maps(maps.aux_cams, size),
                seg_logits=seg_logits,
            ),
        )

    def _map_classes(self, keys: Any, outputs: Sequence[str]) -> list[int]:
        """Classes, ascending, whose maps are computed for ``outputs`` of images with the classes
        ``keys``.
        """
        return _union(keys)


def cam_schedule(name: str, value: Any) -> list[tuple[int, str]]:
    """``[(first iteration, 'main' | 'aux'), ...]`` from such a list or from a single name.

    Raises:
        ValueError: A source is unknown, or there is none for iteration 0. The message names the
            option.
    """
    schedule = (
        [(0, value)]
        if isinstance(value, str)
        else sorted((int(start), source) for start, source in value)
    )
    if (
        not schedule
        or schedule[0][0] != 0
        or any(source not in ('main', 'aux') for _, source in schedule)
    ):
        raise ValueError(
            f"{name} must be 'main', 'aux', or a list of (first iteration, source) that starts at "
            f'0, got {value!r}'
        )
    return schedule


def _class_maps(maps: Tensor, weight: Tensor, classes: Tensor | None) -> Tensor:
    """Maps (B,U,h,w) of ``classes`` (U,), by default all, from features (B,D,h,w)."""
    weight = weight if classes is None else weight[classes]
    return F.conv2d(maps, weight) if len(weight) else maps[:, :0]


def _union(keys: Any) -> list[int]:
    """All classes of a list of lists, ascending."""
    return sorted(set().union(*keys))


def _maps_of_images(cams: Tensor, classes: Sequence[int], keys: list[list[int]]) -> list[Tensor]:
    """Maps (K,H,W) of the ``keys`` of each image, from the maps (B,U,H,W) of ``classes``."""
    column = {key: index for index, key in enumerate(classes)}
    maps = []
    for image, image_keys in zip(cams, keys):
        columns = [column[key] for key in image_keys]
        maps.append(select(image, columns))
    return maps
