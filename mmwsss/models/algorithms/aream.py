"""AReAM: re-activation of over-smoothed deep attention, trained with an affinity loss on every
layer (arXiv 2305.03112 v2).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmwsss.functional.attention import AFFINITY_MODES, AttentionRequest, DeferredAttention
from mmwsss.functional.cam import fuse_cams, minmax_normalize
from mmwsss.functional.precision import at_least_float32
from mmwsss.functional.pseudo_labels import (
    IGNORE,
    box_mask,
    boxes_on_grid,
    class_labels,
    most_tags,
    present_slots,
    to_class_ids,
)
from mmwsss.functional.reactivation import (
    layer_entropy,
    layer_weights,
    reactivated_cams,
    refine_by_layer,
    token_labels,
)
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.io import read_json
from mmwsss.utils.transfer import send

from .mctformer_plus import MCTformerPlus


@MODELS.register_module()
class AReAM(MCTformerPlus):
    """Multi-class token transformer whose deep layers learn the patch affinity of shallow layers.

    ``L = L_cls + L_patch + contrast_weight * L_cct + affinity_weight * L_aff``. In a training step
    the class maps are refined by each layer's attention; the entropy of the result weights the
    layers: sharp layers produce the labels, with which flat layers are supervised. At test time
    maps are computed as by :class:`MCTformer`, with the plain mean of the affinities of all layers
    (Eq. 4-5).

    Args:
        backbone (dict): :class:`TokenViT`.
        num_classes (int): C.
        contrast_weight (float): Weight of MCTformer+'s contrast between class tokens; 0 (default)
            switches it off.
        affinity_loss (dict, optional): Options of :class:`AttentionAffinityLoss`.
        affinity_weight (float): lambda of Eq. 20.
        affinity_start (int): First epoch with the affinity loss, counted from 0.
        affinity_mode (str): P of Eq. 7, see :meth:`DeferredAttention.affinity`.
        weighting (str): ``'adaptive'`` by entropy, per image and step (Eq. 8-10); ``'uniform'``, w
            = w_hat = 1; or a JSON file with ``w_hat`` of every layer (version 1), as
            ``tools/analysis_tools/analyze_affinity.py`` writes it; only training reads it.
        entropy_form (str): Form of the entropy of ``'adaptive'``, see :func:`layer_entropy`.
        split_layer (int, optional): Layers before this one refine the maps, and this one and later
            layers are supervised (version 1); None: all layers do both.
        par (dict | bool): Options of :class:`PAR`; False switches the refinement of the labels off.
        labels (dict, optional): Options of :func:`token_labels`: ``mode``, ``low``, ``high``,
            ``downscale``.
        cam_flip (bool): Take the maps from an extra pass of image and mirror image in evaluation
            mode (version 1, which stays in training mode); by default they come from the training
            pass at no cost.
        test_cfg (dict): As :class:`MCTformer`; ``attention_layers`` and ``fuse_sqrt`` also define
            the maps of the training step. By default 3 layers and no square root, as in MCTformer
            V2.
        options: Further options of :class:`MCTformerPlus` (``patch_head``, ``contrast_loss`` ...).
    """

    default_test_cfg: dict[str, Any] = dict(
        MCTformerPlus.default_test_cfg, attention_layers=3, fuse_sqrt=False
    )

    def __init__(
        self,
        backbone: dict[str, Any],
        num_classes: int,
        *,
        contrast_weight: float = 0.0,
        affinity_loss: dict[str, Any] | None = None,
        affinity_weight: float = 0.2,
        affinity_start: int = 8,
        affinity_mode: str = 'softmax_all',
        weighting: str = 'adaptive',
        entropy_form: str = 'max',
        split_layer: int | None = None,
        par: dict[str, Any] | bool = True,
        labels: dict[str, Any] | None = None,
        cam_flip: bool = False,
        **options: Any,
    ) -> None:
        if options.get('consistency') is not None:
            raise ValueError('AReAM trains on single views: it has no option consistency')
        super().__init__(backbone, num_classes, contrast_weight=contrast_weight, **options)
        num_layers = self.backbone.num_layers
        if affinity_mode not in AFFINITY_MODES:
            raise ValueError(
                f'affinity_mode must be one of {AFFINITY_MODES}, got {affinity_mode!r}'
            )
        if split_layer is not None and not 0 < split_layer < num_layers:
            raise ValueError(
                f'split_layer must be in 1..{num_layers - 1}, got {split_layer}: layers before it '
                f'refine, the others learn'
            )
        self.affinity_loss = MODELS.build(
            dict(type='mmwsss.AttentionAffinityLoss') | dict(affinity_loss or {})
        )
        self.affinity_weight = affinity_weight
        self.affinity_start = affinity_start
        self.affinity_mode = affinity_mode
        self.weighting = weighting
        self.entropy_form = entropy_form
        self.refining = slice(split_layer)
        self.supervised = slice(split_layer, None)
        par_options = dict(par) if isinstance(par, dict) else {}
        self.par = MODELS.build(dict(type='mmwsss.PAR') | par_options) if par is not False else None
        self.label_options = dict(labels or {})
        self.cam_flip = cam_flip
        self.has_started = True
        self.fixed_weights: Tensor | None = None

    def init_weights(self) -> None:
        """Extends :class:`MCTformer`: layer weights are read from their file here, so that a
        missing file stops the run before training.
        """
        super().init_weights()
        if self.weighting not in ('adaptive', 'uniform'):
            self.fixed_weights = _read_layer_weights(self.weighting, self.backbone.num_layers)

    def update_schedule(self, *, epoch: int, iteration: int) -> None:
        """Start the affinity loss in its first epoch (called by :class:`LossScheduleHook`); without
        the hook the loss is always on.
        """
        self.has_started = epoch >= self.affinity_start

    def loss(self, inputs: Any, data_samples: list[WSSSDataSample]) -> dict[str, Tensor]:
        """Classification losses and, once it has started, the affinity loss (Eq. 20)."""
        if not (self.has_started and self.affinity_weight):
            return super().loss(inputs, data_samples)
        host_tags = self.host_tags(data_samples)
        tags = send(host_tags, inputs.device)
        features = self.backbone(
            inputs, attention=self._requests(), class_embeddings=self.contrast_weight != 0
        )
        losses = self.classification_losses(features, tags)
        labels, w_hat = self.affinity_targets(
            inputs,
            features,
            tags,
            self.boxes(data_samples, inputs),
            num_slots=most_tags(host_tags),
        )
        present = (host_tags > 0).any(0).nonzero().flatten()
        names = send(class_labels(present), inputs.device)
        layers = features.attention['layers'][self.supervised]
        losses['loss_affinity'] = self.affinity_weight * self.affinity_loss(
            layers, labels, w_hat[:, self.supervised], names
        )
        return losses

    @torch.no_grad()
    def affinity_targets(
        self,
        inputs: Tensor,
        features: TokenFeatures,
        tags: Tensor,
        boxes: Tensor | None = None,
        *,
        num_slots: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Labels of the patches and weights of the layers (Eq. 7-16); computed without gradients.

        Args:
            inputs (Tensor): (B,3,H,W).
            features (TokenFeatures): Features of ``inputs``, with the attention of the training
                step.
            tags (Tensor): (B,C).
            boxes (Tensor, optional): (B,4) y0, y1, x0, x1, the part of each crop that the image
                covers; patches outside are ignored.
            num_slots (int, optional): See :func:`present_slots`.

        Returns:
            tuple: labels (B,h,w) int64, 0 background, class c is c+1, 255 ignored; w_hat (B,L)
                float64 in [0,1].
        """
        classes, filled = present_slots(tags, num_slots)
        if self.cam_flip:
            cams, layers = self._flipped_maps(inputs, classes, filled)
        else:
            cams, layers = self._maps(features, classes, filled), features.attention['layers']
        with torch.autocast(inputs.device.type, enabled=False):
            refined = refine_by_layer(layers, cams, self.affinity_mode)
            if self.cam_flip:
                # the maps are refined by the affinities of both passes and averaged in one
                # orientation
                image, mirrored = refined.chunk(2)
                refined = (image + mirrored.flip(-1)) / 2
            w_hat, weights = self._layer_weights(refined)
            cams = reactivated_cams(refined[:, self.refining], weights[:, self.refining])
            images, grid = self.whole_patches(inputs), cams.shape[-2:]
            slots = token_labels(images, cams, filled, grid, par=self.par, **self.label_options)
        if boxes is not None:
            slots = slots.masked_fill(
                ~box_mask(boxes_on_grid(boxes, images.shape[-2:], grid), grid), IGNORE
            )
        return to_class_ids(slots, classes), w_hat

    def _layer_weights(self, refined: Tensor) -> tuple[Tensor, Tensor]:
        """w_hat and w (B,L)."""
        if self.weighting == 'adaptive':
            return layer_weights(layer_entropy(refined, self.entropy_form))
        if self.weighting == 'uniform':
            ones = refined.new_ones(refined.shape[:2])
            return ones, ones
        if self.fixed_weights is None:
            self.fixed_weights = _read_layer_weights(self.weighting, refined.shape[1])
        w_hat = send(self.fixed_weights, refined.device).expand(len(refined), -1)
        return w_hat, 1 - w_hat

    def _requests(self) -> dict[str, AttentionRequest]:
        return {'layers': AttentionRequest('all', kind='deferred'), **self.class_requests()}

    def _maps(self, features: TokenFeatures, classes: Tensor, filled: Tensor) -> Tensor:
        """Maps (B,K,h,w) of the present classes, min-max normalised, 0 in empty slots; not
        refined.
        """
        grid = features.patch_map.shape[-2:]
        index = classes[:, :, None].expand(-1, -1, grid[0] * grid[1])
        attention: Any = None
        patch_cams = at_least_float32(self.patch_head(features.patch_map))
        if 'class' in features.attention:
            attention = features.attention['class'].gather(1, index).unflatten(2, grid)
        patch_cams = patch_cams.flatten(2).gather(1, index).unflatten(2, grid)
        cams = fuse_cams(
            attention, patch_cams, self.test_cfg['map_type'], sqrt=self.test_cfg['fuse_sqrt']
        )
        return minmax_normalize(cams * filled[:, :, None, None])

    def _flipped_maps(
        self, inputs: Tensor, classes: Tensor, filled: Tensor
    ) -> tuple[Tensor, Sequence[DeferredAttention]]:
        """Maps of image and mirror image (2B,K,h,w), each computed from both, and the layers of a
        pass in evaluation mode.
        """
        training = self.backbone.training
        self.backbone.eval()
        try:
            features = self.backbone(
                torch.cat([inputs, inputs.flip(-1)]), attention=self._requests()
            )
        finally:
            self.backbone.train(training)
        image, mirrored = self._maps(features, classes.repeat(2, 1), filled.repeat(2, 1)).chunk(2)
        cams = minmax_normalize(image + mirrored.flip(-1))
        return torch.cat([cams, cams.flip(-1)]), features.attention['layers']


def _read_layer_weights(file: str | Path, num_layers: int) -> Tensor:
    """``w_hat`` (1,L) of a JSON file."""
    if not Path(file).is_file():
        raise FileNotFoundError(
            f'{file}: layer weights not found; write them with '
            f'tools/analysis_tools/analyze_affinity.py from a checkpoint, or choose '
            f"model.weighting='uniform' or 'adaptive'"
        )
    weights = read_json(file).get('w_hat', ())
    if len(weights) != num_layers:
        raise ValueError(
            f'{file}: w_hat has {len(weights)} entries, the model {num_layers} layers; write it '
            f'from a model of this depth'
        )
    return torch.tensor([weights], dtype=torch.float64)
