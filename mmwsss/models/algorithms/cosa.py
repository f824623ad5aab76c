"""CoSA: co-training with swapped assignments for single-stage segmentation from image tags (ECCV
2024).
"""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor
from torch.nn import functional as F

from mmwsss.functional.cam import resize_maps
from mmwsss.functional.pseudo_labels import (
    IGNORE,
    box_mask,
    boxes_on_grid,
    class_labels,
    gated_maximum,
    labels_two_pass,
    most_tags,
    to_class_ids,
)
from mmwsss.functional.reliability import XI_RANGE, single_threshold_label
from mmwsss.models.algorithms.single_stage import MultiScaleMaps, SingleStage
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.models.modules import TeacherStudent
from mmwsss.models.modules.dynamic_threshold import ThresholdUpdate
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.transfer import send

DETACH = ('none', 'feat', 'cls', 'all')
NETWORKS = ('assignment', 'online')
GUIDANCES = ('spl', 'ground_truth', 'noise')
ORACLE = 'pixel masks in training (oracle experiment, not weak supervision)'
AVERAGED = ('backbone', 'classifier', 'aux_classifier', 'decode_head')


@MODELS.register_module()
class CoSA(SingleStage):
    """A trained online network and an assignment network, its moving average, which produces the
    labels.

    The assignment network processes the weak view of an image at several scales. Its class maps
    supervise the segmentation of the online network (CPL) and its segmentation supervises the class
    maps of the online network (SPL): the assignments are swapped. The online network processes the
    strong view, which has the same geometry. Losses (weighted as returned): ``loss_cls``,
    ``loss_aux_cls``, ``loss_seg`` (both CPL), ``loss_cam`` (and ``loss_aux_cam``), ``loss_energy``,
    ``loss_separation``.

    The defaults are the configuration of the released logs. The profile of the paper is
    ``pseudo_label.labels='single'`` with ``dynamic_threshold``, ``reliability_loss``,
    ``c2s_weights=(1, 1)`` and loss weights ``energy=0`` and ``separation=0.1``.

    ``update_teacher()`` averages the online network into the assignment network, and
    ``update_thresholds()`` applies the dynamic thresholds of the last batch;
    :class:`TeacherEMAHook` calls both after every step.

    Args:
        momentum (float): m of the moving average, ``assignment = m assignment + (1 - m) online``
            over all parameters.
        detach (str): Part of the network that gets no gradient from the guided maps: ``'none'``,
            ``'feat'`` (the features), ``'cls'`` (the classifier), ``'all'``.
        guidance (str): Labels that guide the class maps: ``'spl'``; in the experiment of Figure 1
            and Table 4a ``'noise'``, a random class among background and the tags at every
            position, or ``'ground_truth'``, the masks of the training images. The last is not weak
            supervision: it requires ``oracle=True`` and a training set with masks, it is recorded
            in the log and in every ``metrics.json``, and its checkpoints do not load into any other
            model.
        oracle (bool): Confirms ``guidance='ground_truth'``.
        c2s_weights (Sequence[float]): Weights of the segmentation losses against the labels of the
            main and the auxiliary maps.
        cam_loss (dict, optional): Options of :class:`SegToCAMLoss`.
        reliability_loss (dict, optional): Options of :class:`ReliabilityWeightedLoss`, which then
            replaces :class:`BalancedSegLoss`.
        aux_reliability (str): Source of the confidences that weight the labels of the auxiliary
            maps: ``'aux'`` or ``'main'``.
        separation_loss (dict, optional): Options of :class:`ContrastiveSeparationLoss`, used where
            its loss weight is not 0.
        dynamic_threshold (dict, optional): Options of :class:`DynamicThreshold`, one for the main
            and one for the auxiliary maps. None: the fixed thresholds of ``pseudo_label``.
        seg_loss (dict, optional): As :class:`SingleStage`; means over the pixels of a batch, as
            released.
        pseudo_label (dict, optional): ``labels``: ``'two'``, thresholds ``high`` and ``low``
            (``aux_high``, ``aux_low``) with ignored pixels in between, or ``'single'``, threshold
            ``xi`` (``aux_xi``) and no pixel ignored; reliability is 0 at ``xi``; ``aux_scales``:
            ``'last'``, only the last scale makes the auxiliary maps (as released, by mistake), or
            ``'all'``; ``temperature`` of SPL; ``after_softmax``: SPL removes untagged classes after
            the softmax, not before; ``scales``, ``flip`` and ``downscale`` as :class:`SingleStage`.
            PAR is not used.
        test_cfg (dict, optional): As :class:`SingleStage`, and ``network``: ``'assignment'`` or
            ``'online'``.
        options: All other options are those of :class:`SingleStage`.

    Raises:
        ValueError: An unknown option; options that contradict each other; a crop whose scaled sizes
            are not multiples of the patch size.
    """

    default_loss_weights: dict[str, float] = dict(
        cls=1.0, aux_cls=1.0, seg=0.1, cam=0.05, aux_cam=0.0, energy=0.05, separation=0.0
    )
    default_pseudo_label: dict[str, Any] = dict(
        SingleStage.default_pseudo_label,
        par=None,
        labels='two',
        low=0.2,
        aux_high=0.7,
        aux_low=0.25,
        xi=0.5,
        aux_xi=0.5,
        aux_scales='last',
        temperature=0.01,
        after_softmax=False,
    )
    default_test_cfg: dict[str, Any] = dict(
        SingleStage.default_test_cfg,
        size=(448, 448),
        scales=(1.0, 0.5, 1.5, 0.75, 1.25),
        seg_scales=(1.0, 0.5, 1.5, 0.75, 1.25),
        seg_flip=True,
        seg_fusion='sum_logits',
        network='assignment',
    )
    uses_cams: tuple[str, ...] = ('seg', 'cam', 'aux_cam', 'energy', 'separation')
    fuse_at_input_size = True

    def __init__(
        self,
        backbone: dict[str, Any],
        num_classes: int,
        *,
        momentum: float = 0.9994,
        detach: str = 'none',
        guidance: str = 'spl',
        oracle: bool = False,
        c2s_weights: Sequence[float] = (0.5, 0.5),
        cam_loss: dict[str, Any] | None = None,
        reliability_loss: dict[str, Any] | None = None,
        aux_reliability: str = 'aux',
        separation_loss: dict[str, Any] | None = None,
        dynamic_threshold: dict[str, Any] | None = None,
        seg_loss: dict[str, Any] | None = None,
        decode_head: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            backbone,
            num_classes,
            seg_loss=dict(reduction='batch') | dict(seg_loss or {}),
            decode_head=decode_head,
            **options,
        )
        self._check(detach, aux_reliability, c2s_weights)
        self._set_guidance(guidance, oracle)
        self.detach, self.aux_reliability = detach, aux_reliability
        self.c2s_weights = tuple(c2s_weights)
        self.cam_loss = MODELS.build(dict(type='mmwsss.SegToCAMLoss') | dict(cam_loss or {}))
        self.reliability_loss: Any = (
            None
            if reliability_loss is None
            else MODELS.build(dict(type='mmwsss.ReliabilityWeightedLoss') | dict(reliability_loss))
        )
        self.separation_loss = MODELS.build(
            dict(type='mmwsss.ContrastiveSeparationLoss') | dict(separation_loss or {})
        )
        self.threshold: Any = None
        self.aux_threshold: Any = None
        # update of the last labelled batch, kept until `update_thresholds`
        self.proposed: tuple[ThresholdUpdate, ...] | None = None
        if dynamic_threshold is not None:
            self.threshold, self.aux_threshold = self._build_thresholds(dynamic_threshold)
        network = {key: value for key, value in dict(backbone).items() if key != 'init_cfg'}
        self.assignment = SingleStage(
            network,
            num_classes,
            decode_head=decode_head,
            ranking_decay=self.ranking_decay,
            pseudo_label=dict(par=None),
            data_preprocessor=options.get('data_preprocessor'),
        )
        self.aux_scales = self.assignment.aux_scales = self.pseudo_label['aux_scales']
        self.assignment.eval()
        self.average = TeacherStudent(
            self, {f'assignment.{name}': name for name in AVERAGED}, momentum
        )
        self.register_load_state_dict_pre_hook(_refuse_oracle_weights)

    def _set_guidance(self, guidance: str, oracle: bool) -> None:
        """Set the labels that guide the maps; masks require a second option as confirmation."""
        if guidance not in GUIDANCES:
            raise ValueError(f'guidance must be one of {GUIDANCES}, got {guidance!r}')
        if oracle != (guidance == 'ground_truth'):
            raise ValueError(
                "guidance='ground_truth' trains with pixel masks, an oracle experiment (CoSA "
                'Figure 1): confirm it with oracle=True, and leave oracle out otherwise'
            )
        self.guidance = guidance
        if oracle:
            self.supervision = ORACLE
            self.register_buffer('oracle_guidance', torch.ones((), dtype=torch.bool))
            print_log(f'CoSA: {ORACLE.upper()}', 'current', logging.WARNING)

    def _check(self, detach: str, aux_reliability: str, c2s_weights: Sequence[float]) -> None:
        labels = self.pseudo_label
        for name, value, allowed in (
            ('detach', detach, DETACH),
            ('aux_reliability', aux_reliability, ('aux', 'main')),
            ('pseudo_label.labels', labels['labels'], ('two', 'single')),
            ('pseudo_label.aux_scales', labels['aux_scales'], ('last', 'all')),
            ('test_cfg.network', self.test_cfg['network'], NETWORKS),
        ):
            if value not in allowed:
                raise ValueError(f'{name} must be one of {allowed}, got {value!r}')
        if len(c2s_weights) != 2:
            raise ValueError(
                f'c2s_weights are two numbers, of the main and the auxiliary labels, got '
                f'{c2s_weights}'
            )
        if labels['low'] > labels['high'] or labels['aux_low'] > labels['aux_high']:
            raise ValueError(
                'low must not exceed high, nor aux_low aux_high: got '
                f'{labels["low"]}, {labels["high"]}, {labels["aux_low"]}, {labels["aux_high"]}'
            )
        if labels['temperature'] <= 0:
            raise ValueError(
                f'pseudo_label.temperature must be positive, got {labels["temperature"]}'
            )

    def _build_thresholds(self, options: dict[str, Any]) -> tuple[Any, ...]:
        """Dynamic thresholds of the main and of the auxiliary maps, which start at the fixed
        ones.
        """
        options, labels = dict(type='mmwsss.DynamicThreshold') | dict(options), self.pseudo_label
        two = options.get('mode') == 'released'
        if two != (labels['labels'] == 'two'):
            raise ValueError(
                "dynamic_threshold.mode 'released' goes with pseudo_label.labels='two', the other "
                "modes with 'single'"
            )
        starts = (
            [(labels['low'], labels['high']), (labels['aux_low'], labels['aux_high'])]
            if two
            else [labels['xi'], labels['aux_xi']]
        )
        return tuple(MODELS.build(dict(options, start=start)) for start in starts)

    # Two networks ---------------------------------------------------------------------------------

    def update_teacher(self, momentum: float | None = None) -> None:
        """Move the assignment network towards the online network; ``momentum=0`` copies it."""
        self.average.update(momentum)

    def init_weights(self) -> None:
        """Initialise all modules, then copy the online network, so that both start from the same
        weights.
        """
        super().init_weights()
        self.average.reset()

    def train(self, mode: bool = True) -> 'CoSA':
        """Set the mode; the assignment network stays in evaluation mode."""
        super().train(mode)
        self.assignment.eval()
        return self

    # Training -------------------------------------------------------------------------------------

    def loss(
        self, inputs: Tensor | list[Tensor], data_samples: list[WSSSDataSample]
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            inputs (Tensor | list[Tensor]): Weak and strong view, (B,3,H,W) each, or one tensor for
                both.
            data_samples (list[WSSSDataSample]): With ``gt_tags``, and the metainfo ``img_box`` (y0,
                y1, x0, x1) of the crop.

        Returns:
            dict[str, Tensor]
        """
        views = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if len(views) > 2:
            raise ValueError(f'CoSA needs two views (weak, strong), got {len(views)}')
        weak, strong = views[0], views[-1]
        host_tags, boxes = self.host_tags(data_samples), self.boxes(data_samples, weak)
        tags = send(host_tags, weak.device)
        acting = any(self.active(name) for name in self.uses_cams)
        maps: Any = None
        if acting or self.threshold is not None:
            maps = self.assign(weak, host_tags)
        self.proposed = None if self.threshold is None else self.propose_thresholds(maps, tags)
        features = self.features(strong)
        losses = self.classification_losses(features, tags)
        if acting:
            labels, aux_labels = self.class_pseudo_labels(maps, tags, boxes)
            if self.active('seg') or self.active('energy'):
                losses.update(
                    self.decoder_losses(strong, features, maps, tags, boxes, (labels, aux_labels))
                )
            losses.update(self.guidance_losses(features, maps, tags, boxes, data_samples))
        return losses

    def assign(self, weak: Tensor, tags: Tensor) -> MultiScaleMaps:
        """Maps and segmentation of the assignment network: :class:`MultiScaleMaps` of the classes
        of the batch, from its tags (B,C) on the host, at the size of the crop.

        Only the tagged classes are computed, segmentation included, unless ``after_softmax`` needs
        all classes.
        """
        options = self.pseudo_label
        patch = self.backbone.patch_size
        height, width = weak.shape[-2:]
        for scale in options['scales']:
            if int(scale * height) % patch or int(scale * width) % patch:
                raise ValueError(
                    f'a crop of {width}x{height} at scale {scale} is not a multiple of the patch '
                    f'of {patch} pixels: the network would ignore the rest of it; change the crop '
                    f'or pseudo_label.scales'
                )
        classes = send(self.present_classes(tags), weak.device)
        seg_labels = None if options['after_softmax'] else class_labels(classes)
        return self.assignment.multi_scale_maps(
            weak,
            classes,
            scales=options['scales'],
            flip=options['flip'],
            seg_fusion='sum_logits',
            seg_labels=seg_labels,
        )._replace(num_slots=most_tags(tags))

    def class_pseudo_labels(
        self, maps: MultiScaleMaps, tags: Tensor, boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """CPL of the main and of the auxiliary maps: (B,H,W) int64 each, 255 outside the image."""
        tags = tags[:, maps.classes]
        labels = []
        for cams, thresholds in zip((maps.cams, maps.aux_cams), self.current_thresholds()):
            if self.pseudo_label['labels'] == 'single':
                label = single_threshold_label(*gated_maximum(cams, tags), thresholds['xi'])
                label = label.masked_fill_(~box_mask(boxes, label.shape[-2:]), IGNORE)
            else:
                label = labels_two_pass(
                    None,
                    cams,
                    tags,
                    high=thresholds['high'],
                    low=thresholds['low'],
                    boxes=boxes,
                    downscale=self.pseudo_label['downscale'],
                    num_slots=maps.num_slots,
                )
            labels.append(to_class_ids(label, maps.classes))
        return labels[0], labels[1]

    def pseudo_labels(
        self, image: Tensor, tags: Tensor, boxes: Tensor, maps: MultiScaleMaps
    ) -> Tensor:
        """CPL (B,H,W) of the main maps."""
        return self.class_pseudo_labels(maps, tags, boxes)[0]

    def seg_pseudo_labels(
        self, maps: MultiScaleMaps, tags: Tensor, size: Sequence[int] | None = None
    ) -> Tensor:
        """SPL (Eq. 7): the segmentation of the assignment network among the tagged classes,
        sharpened.

        Args:
            maps (MultiScaleMaps): Maps of the weak view, with segmentation.
            tags (Tensor): (B,C).
            size (tuple[int], optional): Size of the result (bilinear); that of the crop by default.

        Returns:
            Tensor: (B,C+1,h,w) float32.
        """
        options, allowed = self.pseudo_label, F.pad(tags > 0, (1, 0), value=True)
        with torch.autocast(tags.device.type, enabled=False):
            logits: Any = maps.seg_logits
            size = logits.shape[-2:] if size is None else size
            logits = logits.float() / options['temperature']
            if options['after_softmax']:
                return resize_maps(logits.softmax(1) * allowed[:, :, None, None], size)
            kept = class_labels(maps.classes)
            probs = logits.masked_fill(~allowed[:, kept, None, None], -torch.inf).softmax(1)
            probs = resize_maps(probs, size)
            return probs.new_zeros(len(probs), self.num_classes + 1, *probs.shape[-2:]).index_copy_(
                1, kept, probs
            )

    def decoder_losses(
        self,
        strong: Tensor,
        features: TokenFeatures,
        maps: MultiScaleMaps,
        tags: Tensor,
        boxes: Tensor,
        labels: tuple[Tensor, Tensor],
    ) -> dict[str, Tensor]:
        """``loss_seg`` against both CPL and ``loss_energy``."""
        losses: dict[str, Tensor] = {}
        logits = self.to_image_size(
            self.seg_logits(features).float(), strong.shape[-2:], labels[0].shape[-2:]
        )
        if self.active('seg'):
            if self.reliability_loss is None:
                terms = [self.seg_loss(logits, label) for label in labels]
            else:
                terms = self._reliability_terms(logits, maps, tags, labels)
            losses['loss_seg'] = self.loss_weights['seg'] * sum(
                weight * term for weight, term in zip(self.c2s_weights, terms)
            )
        if self.active('energy'):
            losses['loss_energy'] = self.loss_weights['energy'] * self.energy_loss(
                logits, self.pixels(strong), labels[0], boxes
            )
        return losses

    def _reliability_terms(
        self, logits: Tensor, maps: MultiScaleMaps, tags: Tensor, labels: tuple[Tensor, Tensor]
    ) -> list[Tensor]:
        main, aux = self.current_thresholds()
        sources = [
            (maps.cams, main['xi']),
            (maps.aux_cams, aux['xi'])
            if self.aux_reliability == 'aux'
            else (maps.cams, main['xi']),
        ]
        confidences = [(gated_maximum(cams, tags[:, maps.classes])[0], xi) for cams, xi in sources]
        return [
            self.reliability_loss(logits, label, *confidence)
            for label, confidence in zip(labels, confidences)
        ]

    def guiding_labels(
        self,
        maps: MultiScaleMaps,
        tags: Tensor,
        size: Sequence[int] | None,
        data_samples: Sequence[WSSSDataSample],
    ) -> Tensor:
        """Soft labels of the class maps: SPL or, in experiments, masks or noise.

        Args:
            maps: Maps of the weak view.
            tags: (B,C).
            size: (h,w) of the labels; that of the crop by default.
            data_samples: With ``gt_sem_seg`` where the guidance is the ground truth; ignored
                pixels count as background.

        Returns:
            (B,C+1,h,w) float32.

        Raises:
            ValueError: The training set has no masks.
        """
        if self.guidance == 'spl':
            return self.seg_pseudo_labels(maps, tags, size)
        crop = tuple(maps.cams.shape[-2:])
        height, width = crop if size is None else size
        if self.guidance == 'noise':
            allowed = F.pad(tags > 0, (1, 0), value=True).float()
            labels = torch.multinomial(allowed, height * width, replacement=True)
            planes = F.one_hot(labels.view(-1, height, width), self.num_classes + 1)
            return planes.permute(0, 3, 1, 2).float()
        if not all('gt_sem_seg' in sample for sample in data_samples):
            raise ValueError(
                "guidance='ground_truth' needs masks of the training images, which training sets "
                'do not load: see configs/ablations/cosa_oracle_voc.py'
            )
        masks = torch.stack([sample.gt_sem_seg.data[0] for sample in data_samples])
        masks = send(masks, tags.device)
        masks = masks.masked_fill(masks == IGNORE, 0)
        probs = F.one_hot(masks, self.num_classes + 1).permute(0, 3, 1, 2).float()
        return F.adaptive_avg_pool2d(probs, (height, width))

    def guidance_losses(
        self,
        features: TokenFeatures,
        maps: MultiScaleMaps,
        tags: Tensor,
        boxes: Tensor,
        data_samples: Sequence[WSSSDataSample] = (),
    ) -> dict[str, Tensor]:
        """``loss_cam`` and ``loss_aux_cam`` of the maps against :meth:`guiding_labels`, and
        ``loss_separation``.
        """
        losses: dict[str, Tensor] = {}
        names = [name for name in ('cam', 'aux_cam', 'separation') if self.active(name)]
        if not names:
            return losses
        cams = dict(zip(('cam', 'aux_cam'), self.online_cams(features)))
        if 'cam' in names or 'aux_cam' in names:
            grid = None if self.cam_loss.version == 'v3' else cams['cam'].shape[-2:]
            probs = self.guiding_labels(maps, tags, grid, data_samples)
            losses.update(
                {
                    f'loss_{name}': self.loss_weights[name] * self.cam_loss(cams[name], probs)
                    for name in cams
                    if name in names
                }
            )
        if 'separation' in names:
            losses['loss_separation'] = self.loss_weights['separation'] * self.separation(
                cams['cam'], maps, tags, boxes
            )
        return losses

    def separation(self, cams: Tensor, maps: MultiScaleMaps, tags: Tensor, boxes: Tensor) -> Tensor:
        """CSC of the raw maps (B,C,h,w) of the online network, on their grid."""
        grid = cams.shape[-2:]
        xi = self.current_thresholds()[1]['xi']
        confidence, winner = gated_maximum(resize_maps(maps.aux_cams, grid), tags[:, maps.classes])
        boxes = boxes_on_grid(boxes, maps.aux_cams.shape[-2:], grid)
        return self.separation_loss(
            cams, single_threshold_label(confidence, winner, xi), confidence, xi, boxes
        )

    def online_cams(self, features: TokenFeatures) -> tuple[Tensor, Tensor]:
        """Raw signed maps (B,C,h,w), main and auxiliary, that are guided; ``detach`` defines
        the parameters that they train.
        """
        main, aux = features.patch_map, features.aux_map
        if self.detach in ('feat', 'all'):
            main, aux = main.detach(), aux.detach()
        weight, aux_weight = self.classifier.weight, self.aux_classifier.weight
        if self.detach in ('cls', 'all'):
            weight, aux_weight = weight.detach(), aux_weight.detach()
        return F.conv2d(main, weight), F.conv2d(aux, aux_weight)

    # Thresholds -----------------------------------------------------------------------------------

    def current_thresholds(self) -> tuple[dict[str, float], dict[str, float]]:
        """``low``, ``high`` and ``xi`` of the main and of the auxiliary maps: those updated by the
        batch that is being labelled, otherwise the stored ones.
        """
        options = self.pseudo_label
        result: list[dict[str, float]] = []
        dynamics: Any = (self.threshold, self.aux_threshold)
        if self.proposed is not None:
            dynamics = self.proposed
        for prefix, dynamic in zip(('', 'aux_'), dynamics):
            values = {name: options[prefix + name] for name in ('low', 'high', 'xi')}
            if dynamic is not None:
                names = ('low', 'high') if self.threshold.mode == 'released' else ('xi',)
                values.update(zip(names, dynamic.thresholds.tolist()))
            # labels use the same threshold as their weights
            values['xi'] = min(max(values['xi'], XI_RANGE[0]), XI_RANGE[1])
            result.append(values)
        return result[0], result[1]

    def propose_thresholds(self, maps: MultiScaleMaps, tags: Tensor) -> tuple[ThresholdUpdate, ...]:
        """Effect of the maps of a batch on the dynamic thresholds, also during warm-up: a
        :class:`ThresholdUpdate` each for the main and the auxiliary maps.
        """
        tags = tags[:, maps.classes]
        pairs = ((self.threshold, maps.cams), (self.aux_threshold, maps.aux_cams))
        return tuple(
            dynamic.propose(gated_maximum(resize_maps(cams, dynamic.grid), tags)[0])
            for dynamic, cams in pairs
        )

    def update_thresholds(self) -> None:
        """Apply the threshold updates of the last batch."""
        if self.proposed is None:
            return
        for dynamic, update in zip((self.threshold, self.aux_threshold), self.proposed):
            dynamic.commit(update)
        self.proposed = None

    # Prediction -----------------------------------------------------------------------------------

    def predictor(self) -> SingleStage:
        """The network selected by ``test_cfg.network``."""
        return self.assignment if self.test_cfg['network'] == 'assignment' else self


def _refuse_oracle_weights(
    model: CoSA,
    state_dict: dict[str, Tensor],
    prefix: str,
    local_metadata: dict[str, object],
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
    error_msgs: list[str],
) -> None:
    """Reject weights that were trained with masks, which are not weakly supervised."""
    if f'{prefix}oracle_guidance' in state_dict and model.guidance != 'ground_truth':
        error_msgs.append(
            f'these weights were trained with {ORACLE}; test them with the config that trained them'
        )
