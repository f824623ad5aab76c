"""Base class of the networks that learn the affinity of neighbouring cells and propagate class
activation maps with it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from torch import Tensor

from mmwsss.functional.affinity import AffinityLoss, pair_counts
from mmwsss.functional.pseudo_labels import to_class_ids
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.transfer import send


class AffinityPropagator(BaseModel):
    """Common part of PSA and IRN: the trunk and the three forward modes. Subclasses implement
    ``features``, ``loss`` and ``propagate``.

    Args:
        backbone (dict): Config; returns a tuple of maps, and defines ``out_channels`` and
            ``out_strides`` unless they are given here.
        out_indices (Sequence[int], optional): Maps to use; default all.
        feature_channels (Sequence[int], optional): Channels of the maps that are used.
        feature_strides (Sequence[int], optional): Their strides in pixels.
        test_cfg (dict, optional): Keyword options of ``propagate`` in mode ``'predict'``.
        data_preprocessor (dict, optional): Config.
        init_cfg (dict, optional): Initialisation.

    Raises:
        ValueError: Channels or strides are unknown.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        *,
        out_indices: Sequence[int] | None = None,
        feature_channels: Sequence[int] | None = None,
        feature_strides: Sequence[int] | None = None,
        test_cfg: dict[str, Any] | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone: Any = MODELS.build(backbone)
        self.out_indices = out_indices
        self.feature_channels = self._known('out_channels', feature_channels)
        self.feature_strides = self._known('out_strides', feature_strides)
        if len(self.feature_channels) != len(self.feature_strides):
            raise ValueError(
                f'feature_channels {self.feature_channels} and feature_strides '
                f'{self.feature_strides} differ in length'
            )
        self.test_cfg = dict(test_cfg or {})

    def _known(self, attribute: str, given: Sequence[int] | None) -> tuple[int, ...]:
        if given is not None:
            return tuple(given)
        values = getattr(self.backbone, attribute, None)
        if values is None:
            name = attribute.replace('out_', 'feature_')
            raise ValueError(
                f'{type(self.backbone).__name__} does not define {attribute}: set {name} of '
                f'{type(self).__name__}'
            )
        return (
            tuple(values)
            if self.out_indices is None
            else tuple(values[index] for index in self.out_indices)
        )

    def feature_maps(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Maps (B,D,h,w) of the trunk that are used."""
        maps = self.backbone(inputs)
        return (
            tuple(maps)
            if self.out_indices is None
            else tuple(maps[index] for index in self.out_indices)
        )

    def forward(
        self, inputs: Tensor, data_samples: list[WSSSDataSample] | None = None, mode: str = 'tensor'
    ) -> Any:
        """Run the network.

        Args:
            inputs (Tensor): (B,3,H,W) normalised.
            data_samples (list[WSSSDataSample], optional): With ``affinity_label`` (``'loss'``) or
                ``pred_cams`` (``'predict'``).
            mode (str): ``'loss'``, ``'predict'`` or ``'tensor'``.

        Returns:
            dict of losses, list of samples, or what ``features`` returns.

        Raises:
            ValueError: The mode is unknown.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples or [])
        if mode == 'predict':
            return self.predict(inputs, data_samples or [])
        if mode == 'tensor':
            return self.features(inputs)
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")

    def predict(self, inputs: Tensor, data_samples: list[WSSSDataSample]) -> list[WSSSDataSample]:
        """Propagate ``pred_cams`` (K,H,W) of each sample over its image.

        Args:
            inputs (Tensor): (B,3,H',W') normalised; what lies outside a sample's ``img_shape`` is
                padding.
            data_samples (list[WSSSDataSample]): With ``pred_cams`` at the size of the image and
                metainfo ``cam_keys``.

        Returns:
            list[WSSSDataSample]: The samples with ``walk_scores`` (K+1,H,W), background first, and
            ``pred_sem_seg`` (1,H,W) of class ids.
        """
        for image, sample in zip(inputs, data_samples, strict=True):
            height, width = sample.metainfo.get('img_shape', image.shape[-2:])[:2]
            scores = self.propagate(
                image[:, :height, :width], sample.pred_cams.data, **self.test_cfg
            )
            keys = torch.tensor(sample.metainfo['cam_keys'], dtype=torch.long)
            keys = send(keys, scores.device)
            sample.set_data(
                dict(
                    walk_scores=PixelData(data=scores),
                    pred_sem_seg=PixelData(data=to_class_ids(scores.argmax(0, keepdim=True), keys)),
                )
            )
        return data_samples

    @staticmethod
    def losses_of(terms: AffinityLoss) -> dict[str, Tensor]:
        """``loss_affinity``, and its terms for the log."""
        return dict(
            loss_affinity=terms.total,
            affinity_background=terms.background.detach(),
            affinity_foreground=terms.foreground.detach(),
            affinity_negative=terms.negative.detach(),
        )

    @staticmethod
    def stack_labels(data_samples: list[WSSSDataSample], device: Any) -> Tensor:
        """``affinity_label`` of all samples as (B,h,w) int64, on ``device``."""
        labels = torch.stack([sample.affinity_label.data for sample in data_samples])
        return send(labels, device).squeeze(1).long()

    @staticmethod
    def global_pair_counts(label: Tensor, radius: int, **options: Any) -> Tensor:
        """Numbers of pairs (3,) of the batch, averaged over all ranks."""
        counts = pair_counts(label, radius, **options).float()
        if get_world_size() > 1:
            all_reduce(counts, op='mean')
        return counts

    def prepare(self, image: Tensor, cams: Tensor) -> tuple[Tensor, Tensor]:
        """Image (3,H,W) and maps (K,H,W), or several of both, as float32 on the device of the
        network.

        Raises:
            ValueError: Image and maps differ in size.
        """
        fits = image.dim() in (3, 4) and (
            (*image.shape[:-3], *image.shape[-2:]) == (*cams.shape[:-3], *cams.shape[-2:])
        )
        if not fits or cams.dim() != image.dim():
            raise ValueError(
                f'image (3,H,W) and cams (K,H,W) must have one size, got {tuple(image.shape)} and '
                f'{tuple(cams.shape)}'
            )
        device = next(self.parameters()).device
        return send(image, device).float(), send(cams, device).float()

    @contextmanager
    def inference(self) -> Iterator[Any]:
        """Evaluation mode without gradients; the mode of every module is restored afterwards."""
        training = [module for module in self.modules() if module.training]
        for module in training:
            module.training = False
        try:
            with torch.no_grad():
                yield
        finally:
            for module in training:
                module.training = True
