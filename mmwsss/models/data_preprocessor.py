"""Normalisation of batches of uint8 images on the device."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import ImgDataPreprocessor
from torch import Tensor

from mmwsss.registry import MODELS
from mmwsss.utils.transfer import send


@MODELS.register_module()
class ViewsDataPreprocessor(ImgDataPreprocessor):
    """Normalisation for images of the same size (training) or for several scales per image (CAM
    inference).

    The bytes of a view are stacked on the host and sent to the device in one asynchronous transfer;
    the normalisation runs on the device. Data samples stay on the host, so that decisions based on
    tags and boxes need no synchronisation.

    Args:
        mean, std (Sequence[float]): Mean and standard deviation per channel, RGB order, 0-255.
        bgr_to_rgb (bool): Input is BGR, as MMCV loads it.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        *,
        bgr_to_rgb: bool = True,
    ) -> None:
        super().__init__(mean=mean, std=std, bgr_to_rgb=bgr_to_rgb)

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Normalise a collated batch.

        Args:
            data (dict): ``inputs``: list of B uint8 tensors (3,H,W), or, as collated from images
                with V views, V lists of B such tensors; a list may be a tensor (B,3,H,W)
                (:func:`mmwsss.datasets.stack_collate`). ``data_samples``: list of B samples.

        Returns:
            dict: ``inputs`` as (B,3,H,W) where all images have the same size and no views, else a
                list of B lists of (1,3,h,w); in training with views a list of V tensors (B,3,H,W),
                where views after the first that differ in size are lists of B tensors (3,h,w).
        """
        data = dict(data)
        data.setdefault('data_samples', None)
        inputs = data['inputs']
        # views that were stacked by the collate function have four dimensions
        views = [inputs] if isinstance(inputs[0], Tensor) and inputs[0].dim() == 3 else inputs
        if views[0] is inputs and len({image.shape for image in inputs}) == 1:
            return dict(data, inputs=self._normalize_batch(inputs))
        if training:
            if len({image.shape for image in views[0]}) == 1:
                return dict(data, inputs=[self._normalize_batch(view) for view in views])
            sizes = ', '.join(f'{image.shape[-1]}x{image.shape[-2]}' for image in views[0])
            raise ValueError(
                f'images of one training batch must have one size, got {sizes}; crop or resize '
                f'them in the pipeline'
            )
        batches = [self._normalize_batch(view) for view in views]
        data['inputs'] = [_views_of(batches, index) for index in range(len(views[0]))]
        return data

    def _normalize_batch(self, images: Sequence[Tensor] | Tensor) -> Tensor | list[Tensor]:
        """Images (3,H,W) of the same size as (B,3,H,W), in one transfer; otherwise a list."""
        if isinstance(images, Tensor):
            return self._normalize(images)
        if len({image.shape for image in images}) == 1:
            return self._normalize(torch.stack(tuple(images)))
        return [self._normalize(image) for image in images]

    def _normalize(self, images: Tensor) -> Tensor:
        """Normalise bytes (...,3,H,W) of the host on the device."""
        images = send(images, self.device)
        images = images.flip(-3) if self._channel_conversion else images
        return (images.float() - self.mean) / self.std


def _views_of(batches: Sequence[Tensor | list[Tensor]], index: int) -> list[Tensor]:
    """Views (1,3,h,w) of one image."""
    return [view[index][None] for view in batches]
