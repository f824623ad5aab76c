"""Base class of classifiers that learn from image tags and yield class activation maps."""

import logging
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from torch import Tensor
from torch.nn import functional as F

from mmwsss.functional.cam import minmax_normalize, resize_maps
from mmwsss.functional.precision import at_least_float32
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.transfer import send

DTYPES = dict(fp32=None, bf16=torch.bfloat16, fp16=torch.float16)


class TagClassifier(BaseModel):
    """Classifier trained on image tags; it predicts tag scores and, for tagged (or predicted)
    classes, class activation maps.

    Subclasses implement :meth:`loss`, :meth:`extract`, :meth:`scores_of` and :meth:`maps_of`. This
    class implements the common part: views at several scales are each batched with their horizontal
    flip, and the maps are summed and normalised.

    Args:
        backbone (dict): Config of the backbone.
        num_classes (int): C, foreground classes.
        test_cfg (dict): ``flip`` (bool), ``refine`` (bool), ``dtype`` (``'fp32'``, ``'bf16'``,
            ``'fp16'``: autocast of the network, maps stay float32), ``score_threshold`` (a class is
            predicted above it where no tags are given; the best class is always predicted),
            ``tags`` (``'gt'`` the sample's tags, ``'predicted'`` or ``'all'`` classes), ``cam``
            (config of a CAM method of :mod:`mmwsss.models.cams` instead of the method's own maps),
            ``align_corners`` (how maps are resized to the image), ``eps`` (of the min-max
            normalisation), and the options of the subclass.
        tag_loss (dict, optional): Config of the loss of tag scores, ``(logits (B,C), tags (B,C)) ->
            scalar``; :class:`TagLoss` by default.
        data_preprocessor (dict, optional): Config.
    """

    # supervision of the training; metrics.json records it where it is not image tags
    supervision = 'image tags'
    default_test_cfg = dict(
        flip=True,
        refine=True,
        dtype='fp32',
        score_threshold=0.5,
        tags='gt',
        cam=None,
        align_corners=False,
        eps=1e-8,
    )

    def __init__(
        self,
        backbone: dict[str, Any],
        num_classes: int,
        *,
        tag_loss: dict[str, Any] | None = None,
        test_cfg: dict[str, Any] | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor or dict(type='mmwsss.ViewsDataPreprocessor'), init_cfg)
        self.backbone: Any = MODELS.build(backbone)
        self.num_classes = num_classes
        self.tag_loss = MODELS.build(dict(type='mmwsss.TagLoss') | dict(tag_loss or {}))
        unknown = set(test_cfg or ()) - set(self.default_test_cfg)
        if unknown:
            raise ValueError(
                f'{type(self).__name__}.test_cfg has no option {sorted(unknown)}; options: '
                f'{sorted(self.default_test_cfg)}'
            )
        self.test_cfg: dict[str, Any] = dict(self.default_test_cfg, **(test_cfg or {}))
        if self.test_cfg['dtype'] not in DTYPES:
            raise ValueError(
                f'test_cfg.dtype must be one of {sorted(DTYPES)}, got {self.test_cfg["dtype"]!r}'
            )
        self.cam: Any = None
        if self.test_cfg.get('cam') is not None:
            self.set_cam(self.test_cfg['cam'])

    # Parts of a method ----------------------------------------------------------------------------

    @abstractmethod
    def loss(self, inputs: Any, data_samples: list[WSSSDataSample]) -> dict[str, Tensor]:
        """Losses ``{loss_*: scalar}`` of a training batch (B,3,H,W)."""

    @abstractmethod
    def extract(self, inputs: Tensor) -> Any:
        """Features of (B,3,h,w) from which scores and maps are computed; without gradients."""

    @abstractmethod
    def scores_of(self, extracted: Any) -> Tensor:
        """Tag probabilities (B,C) in [0,1]."""

    @abstractmethod
    def maps_of(self, extracted: Any, keys: Sequence[int]) -> Tensor:
        """Maps (B,K,h,w) >= 0 of the classes ``keys`` (list of ids), low resolution, not
        normalised.
        """

    # Interface for CAM methods other than its own
    # --------------------------------------------------

    def class_logits(self, class_tokens: Tensor) -> Tensor:
        """Logits (B,C) from the class tokens (B,T,D) of the last layer."""
        raise ValueError(
            f'{type(self).__name__} does not score class tokens, which the CAM method '
            f'{type(self.cam).__name__} needs'
        )

    def patch_logits(self, patch_map: Tensor) -> Tensor:
        """Class maps (B,C,h,w) from the patch tokens (B,D,h,w) of the last layer, any sign."""
        raise ValueError(
            f'{type(self).__name__} does not score patches, which the CAM method '
            f'{type(self.cam).__name__} needs'
        )

    def gather(self, features: TokenFeatures) -> Any:
        """Input of :meth:`scores_of`, from the features of the backbone."""
        return features

    def get_layer_depth(self, param_name: str) -> tuple[int, int]:
        """Depth of a parameter for a learning rate that decays over the layers of the backbone
        (``mmpretrain.LearningRateDecayOptimWrapperConstructor``); heads are deepest.

        Args:
            param_name (str): Name of the parameter.

        Returns:
            tuple[int, int]: Depth, and the number of depths.
        """
        depth: tuple[int, int] = self.backbone.get_layer_depth(param_name, 'backbone.')
        return depth

    def set_cam(self, cam: dict[str, Any] | None) -> None:
        """Select the CAM method of the maps by its config; None selects the maps of this
        classifier.
        """
        self.test_cfg['cam'] = cam
        self.cam = None if cam is None else MODELS.build(cam)

    # Public interface -----------------------------------------------------------------------------

    def forward(
        self,
        inputs: Any,
        data_samples: list[WSSSDataSample] | None = None,
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list[WSSSDataSample] | Tensor:
        """``'loss'`` -> dict of losses, ``'predict'`` -> data samples with maps, ``'tensor'`` ->
        tag probabilities (B,C).
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples or [])
        if mode == 'predict':
            return self.predict(inputs, data_samples or [])
        if mode == 'tensor':
            return self.scores_of(self.extract(inputs))
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")

    def gt_tags(self, data_samples: list[WSSSDataSample], inputs: Tensor) -> Tensor:
        """Tags (B,C) of a batch on the device of ``inputs``."""
        return send(self.host_tags(data_samples), inputs.device)

    def host_tags(self, data_samples: list[WSSSDataSample]) -> Any:
        """Tags (B,C) of a batch on the host, where the data samples are stored."""
        without = next((sample for sample in data_samples if 'gt_tags' not in sample), None)
        if without is not None:
            raise ValueError(
                f'{without.metainfo.get("img_path", "an image")}: has no tags; give the data set '
                f"a tag file, or predict them (model.test_cfg.tags='predicted')"
            )
        tags = torch.stack([sample.gt_tags for sample in data_samples])
        if tags.shape[1] != self.num_classes:
            raise ValueError(
                f'the model has {self.num_classes} classes, the data set {tags.shape[1]}: set '
                f'num_classes of the config to the number of classes without background'
            )
        return tags

    @staticmethod
    def boxes(data_samples: list[WSSSDataSample], inputs: Tensor) -> Tensor:
        """Boxes (B,4) y0, y1, x0, x1 of the part of each crop that the image covers: the metainfo
        ``img_box``, by default the whole crop.
        """
        whole = (0, inputs.shape[-2], 0, inputs.shape[-1])
        boxes = torch.tensor([sample.metainfo.get('img_box', whole) for sample in data_samples])
        return send(boxes, inputs.device)

    def whole_patches(self, inputs: Tensor) -> Tensor:
        """Images (B,3,H,W) as the backbone receives them: the bottom and right sides are padded
        (``pad_to_patch``) or cropped to whole patches.
        """
        patch, pad = self.backbone.patch_size, getattr(self.backbone, 'pad_to_patch', False)
        rows, columns = (-side % patch if pad else -(side % patch) for side in inputs.shape[-2:])
        return F.pad(inputs, (0, columns, 0, rows)) if rows or columns else inputs

    @torch.no_grad()
    def predict(
        self, inputs: Tensor | list[list[Tensor]], data_samples: list[WSSSDataSample]
    ) -> list[WSSSDataSample]:
        """Add ``pred_scores`` and ``pred_cams`` to the samples.

        Args:
            inputs (Tensor | list): (B,3,H,W), or per image a list of views (1,3,h,w).
            data_samples (list[WSSSDataSample]): ``gt_tags`` is read unless
                ``test_cfg.tags='predicted'``.
        """
        if isinstance(inputs, Tensor):
            inputs = [[image[None]] for image in inputs]
        for group in _equal_sizes(inputs, data_samples):
            samples = [data_samples[index] for index in group]
            pyramids = [inputs[index] for index in group]
            views = [torch.cat(images) for images in zip(*pyramids)]
            self.predict_group(views, samples)
        return data_samples

    def predict_group(self, views: list[Tensor], data_samples: list[WSSSDataSample]) -> None:
        """:meth:`predict` for B images of the same size: ``views`` is a list of (B,3,h,w)."""
        for sample, scores, keys, cams in zip(
            data_samples, *self.predict_cams(views, data_samples)
        ):
            sample.set_pred_scores(scores).set_pred_cams(keys, cams)

    def predict_cams(
        self, views: list[Tensor], data_samples: list[WSSSDataSample]
    ) -> tuple[Tensor, list[list[int]], list[Tensor]]:
        """CAMs of images of the same size at several scales.

        Args:
            views (list[Tensor]): One (B,3,h,w) per scale.
            data_samples (list[WSSSDataSample]): B samples; the maps get the size ``ori_shape``
                where it is set, else that of the first view.

        Returns:
            tuple: scores (B,C) of the first view without flip; B lists of class ids; B tensors
                (K,H,W) in [0,1].
        """
        if len(data_samples) > 1 and getattr(self.cam, 'classes_compete', False):
            return self._cams_one_by_one(views, data_samples)
        size = tuple(data_samples[0].metainfo.get('ori_shape', views[0].shape[-2:]))[:2]
        scores: Any = None
        keys: Any = None
        sums: Any = None
        views = self.large_enough(views, [view.shape[-2:] for view in views], data_samples)
        for view in views:
            batch = torch.cat([view, view.flip(-1)]) if self.test_cfg['flip'] else view
            extracted = self._extract_autocast(batch)
            if keys is None:
                scores = self.scores_of(extracted if self.cam is None else self.gather(extracted))[
                    : len(view)
                ].float()
                keys = self._keys(scores, data_samples)
                union = sorted(set().union(*keys))
                slots = _slots(keys, union, view.device)
                sums = view.new_zeros(len(view), max(map(len, keys)), *size)
            if not union:
                break
            maps = (
                self.maps_of(extracted, union)
                if self.cam is None
                else self.cam.maps_of(self, extracted, union)
            )
            if slots is not None:  # only the maps of the classes of an image are upsampled
                index = slots.repeat(len(maps) // len(slots), 1)[:, :, None, None]
                maps = maps.gather(1, index.expand(-1, -1, *maps.shape[-2:]))
            maps = self.to_image_size(at_least_float32(maps), view.shape[-2:], size)
            sums += maps[: len(view)]
            if self.test_cfg['flip']:
                sums += maps[len(view) :].flip(-1)
        eps = self.test_cfg['eps']
        cams = [
            minmax_normalize(image[: len(image_keys)], eps) if image_keys else image[:0]
            for image, image_keys in zip(sums, keys)
        ]
        return scores, keys, cams

    def _cams_one_by_one(
        self, views: list[Tensor], data_samples: list[WSSSDataSample]
    ) -> tuple[Tensor, list[list[int]], list[Tensor]]:
        """:meth:`predict_cams` for each image separately."""
        results = []
        for index, sample in enumerate(data_samples):
            own_views = [view[index, None] for view in views]
            results.append(self.predict_cams(own_views, [sample]))
        scores = torch.cat([result[0] for result in results])
        return scores, [result[1][0] for result in results], [result[2][0] for result in results]

    def large_enough(
        self, scales: Sequence[Any], sizes: Sequence[Sequence[int]], data_samples: Sequence[Any]
    ) -> list[Any]:
        """Scales at which an image has at least one patch; a log message names the image where
        scales are skipped.

        Args:
            scales: Factors, or views.
            sizes: (h,w) of the image at each.
            data_samples: Samples of images of the same size.

        Raises:
            ValueError: No scale is large enough. The message names the image.
        """
        patch = getattr(self.backbone, 'patch_size', 1)
        side = 1 if getattr(self.backbone, 'pad_to_patch', False) else patch
        kept = [scale for scale, size in zip(scales, sizes) if min(size) >= side]
        if len(kept) == len(sizes):
            return kept
        height, width = max(tuple(size) for size in sizes)
        names = ', '.join(
            str(sample.metainfo.get('img_path') or 'an image') for sample in data_samples
        )
        if not kept:
            raise ValueError(
                f'{names}: {width}x{height} pixels (width x height) at the largest scale, '
                f'smaller than a patch of {patch}x{patch}; leave the image out or enlarge it'
            )
        print_log(
            f'{names}: {len(sizes) - len(kept)} of {len(sizes)} scales are skipped, at which it '
            f'has less than a patch of {patch}x{patch} pixels',
            logger='current',
            level=logging.WARNING,
        )
        return kept

    def _extract_autocast(self, batch: Tensor) -> Any:
        dtype = DTYPES[self.test_cfg['dtype']]
        with nullcontext() if dtype is None else torch.autocast(batch.device.type, dtype):
            return self.extract(batch) if self.cam is None else self.cam.extract(self, batch)

    def grid_maps(self, view: Tensor, keys: Sequence[int]) -> Tensor:
        """Maps (B,K,h,w) of the classes ``keys`` (list of ids) on the grid of one view (B,3,.,.),
        neither resized nor normalised.
        """
        extracted = self._extract_autocast(view)
        maps = (
            self.maps_of(extracted, keys)
            if self.cam is None
            else self.cam.maps_of(self, extracted, keys)
        )
        return at_least_float32(maps)

    def to_image_size(self, maps: Tensor, view_size: Sequence[int], size: Sequence[int]) -> Tensor:
        """Maps (B,K,h,w) on the grid of a view of ``view_size``, resized to the image (H,W) without
        the padding of the view.
        """
        align_corners = self.test_cfg.get('align_corners', False)
        if not getattr(self.backbone, 'pad_to_patch', False):
            return resize_maps(maps, size, align_corners=align_corners)
        # the map covers the padded view: upsample the padded map, then crop
        covered = [
            round(cells * self.backbone.patch_size * side / view_side)
            for cells, side, view_side in zip(maps.shape[-2:], size, view_size)
        ]
        return resize_maps(maps, covered, align_corners=align_corners)[..., : size[0], : size[1]]

    def _keys(self, scores: Tensor, data_samples: list[WSSSDataSample]) -> list[list[int]]:
        """Class ids of each image: its tags, the predicted ones, or all."""
        if self.test_cfg['tags'] == 'all':
            return [list(range(self.num_classes)) for _ in scores]
        if self.test_cfg['tags'] == 'gt':
            present = self.host_tags(data_samples) > 0
        else:
            scores = scores.cpu()  # the only synchronisation of a prediction
            best = F.one_hot(scores.argmax(1), scores.shape[1]).bool()
            present = (scores > self.test_cfg['score_threshold']) | best
        return [row.nonzero().flatten().tolist() for row in present]


def _equal_sizes(
    inputs: list[list[Tensor]], data_samples: list[WSSSDataSample]
) -> Iterable[list[int]]:
    """Indices of images whose views and maps have the same sizes, as lists."""
    groups: dict[Any, list[int]] = {}
    for index, (views, sample) in enumerate(zip(inputs, data_samples)):
        size = tuple(sample.metainfo.get('ori_shape', ()))
        groups.setdefault((size, *(view.shape for view in views)), []).append(index)
    return groups.values()


def _slots(keys: list[list[int]], union: list[int], device: torch.device) -> Tensor | None:
    """Positions (B,K) in ``union`` of the classes of each image, padded with 0; None where every
    image has all of them.
    """
    if all(image_keys == union for image_keys in keys):
        return None
    column = {key: index for index, key in enumerate(union)}
    longest = max(map(len, keys))
    places = []
    for image_keys in keys:
        own = [column[key] for key in image_keys]
        places.append(own + [0] * (longest - len(own)))
    return send(torch.tensor(places, dtype=torch.long), device)
