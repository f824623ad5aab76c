"""Segmentation network on an image pyramid (DeepLab-V2's multi-scale inputs)."""

from collections.abc import Sequence
from typing import Any

from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.registry import MODELS


@MODELS.register_module()
class MSCSegmentor(EncoderDecoder):
    """:class:`mmseg.models.segmentors.EncoderDecoder` that processes each image at several scales
    (the training of deeplab-pytorch).

    Training adds the loss of every scale, with labels resized (nearest) to its logits, and the loss
    of the element-wise maximum of all of them on the grid of the first scale. Testing uses only the
    maximum.

    Args:
        backbone (dict): Config.
        decode_head (dict): Config of a decode head without sampler; its losses are applied at the
            size of the logits.
        scales (Sequence[float]): Relative input sizes; the first sets the grid.
        options: Every other keyword option of the parent.

    Raises:
        ValueError: There is no scale, or the head has a pixel sampler.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        decode_head: dict[str, Any],
        *,
        scales: Sequence[float] = (1, 0.75, 0.5),
        **options: Any,
    ) -> None:
        super().__init__(backbone, decode_head, **options)
        if not scales or min(scales) <= 0:
            raise ValueError(f'scales must be one or more positive numbers, got {scales}')
        if self.decode_head.sampler is not None:
            raise ValueError('MSCSegmentor does not support a pixel sampler in its decode head')
        self.scales = tuple(scales)

    def pyramid(self, inputs: Tensor) -> tuple[Any, list[Tensor], Tensor]:
        """Features of the first scale, logits of all scales (list of (B,K,h,w)) and their maximum
        on the first grid.
        """
        features, logits = None, []
        for scale in self.scales:
            resized = (
                inputs
                if scale == 1
                else F.interpolate(inputs, scale_factor=scale, mode='bilinear', align_corners=False)
            )
            maps = self.extract_feat(resized)
            features = maps if features is None else features
            logits.append(self.decode_head(maps))
        fused = logits[0]
        for other in logits[1:]:
            fused = fused.maximum(
                F.interpolate(other, size=fused.shape[-2:], mode='bilinear', align_corners=False)
            )
        return features, logits, fused

    def loss(self, inputs: Tensor, data_samples: list[SegDataSample]) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            inputs (Tensor): (B,3,H,W).
            data_samples (list[SegDataSample]): With ``gt_sem_seg``.

        Returns:
            dict[str, Tensor]: ``decode.<loss>_<scale>``, ``decode.<loss>_max``, and those of
            auxiliary heads on the first scale.
        """
        features, logits, fused = self.pyramid(inputs)
        head = self.decode_head
        criteria = (
            head.loss_decode if isinstance(head.loss_decode, nn.ModuleList) else [head.loss_decode]
        )
        labels = head._stack_batch_gt(data_samples)
        losses: dict[str, Tensor] = {}
        for name, maps in zip((*self.scales, 'max'), (*logits, fused)):
            # 'nearest-exact' picks the pixel at a cell's centre, as PIL does
            target = F.interpolate(labels.float(), size=maps.shape[-2:], mode='nearest-exact')
            target = target.squeeze(1).long()
            for criterion in criteria:
                key = f'decode.{criterion.loss_name}_{name}'
                loss = criterion(maps, target, ignore_index=head.ignore_index)
                losses[key] = losses[key] + loss if key in losses else loss
        if self.with_auxiliary_head:
            losses.update(self._auxiliary_head_forward_train(features, data_samples))
        return losses

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict[str, Any]]) -> Tensor:
        """Logits (B,K,H,W): the maximum over scales, resized to the image."""
        return self.decode_head.predict_by_feat(self.pyramid(inputs)[2], batch_img_metas)

    def _forward(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None) -> Tensor:
        """Logits (B,K,h,w): the maximum over scales."""
        return self.pyramid(inputs)[2]
