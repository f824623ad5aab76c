"""Asynchronous transfer of the batches of segmentation networks to the device."""

from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from torch import Tensor

from mmwsss.registry import MODELS
from mmwsss.utils.transfer import send


@MODELS.register_module()
class SegDataPreprocessor(SegDataPreProcessor):
    """:class:`mmseg.SegDataPreProcessor` with one transfer of bytes for the images of a batch and
    one for their labels, if they have the same size.

    Labels are sent in training only, because metrics move them to the device of the predictions.
    The options are those of the parent.
    """

    _channel_conversion: bool

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # the parent indexes with a list, which synchronises host and device
        self._flip_channels, self._channel_conversion = self._channel_conversion, False

    def forward(self, data: dict, training: bool = False) -> dict[str, Any]:
        """Normalise a collated batch and, in training, pad it to one size.

        Args:
            data (dict): ``inputs``: list of B uint8 tensors (3,h,w); ``data_samples``: list of B
                samples.
            training (bool): Whether labels are needed.

        Returns:
            dict: ``inputs`` (B,3,H,W) and ``data_samples``.
        """
        samples = data.get('data_samples')
        if training and samples is not None:
            samples = self._send_labels(samples)
        inputs = data['inputs']
        if isinstance(inputs, Tensor):  # stacked by the collate function
            images = list(send(inputs, self.device).unbind())
        else:
            images = self._send_all(list(inputs))
        if self._flip_channels:
            images = [image.flip(0) if len(image) == 3 else image for image in images]
        return super().forward(dict(data, inputs=images, data_samples=samples), training)

    def cast_data(self, data: Any) -> Any:
        """Return the data unchanged, which has already been moved."""
        return data

    def _send_all(self, tensors: list[Tensor]) -> list[Tensor]:
        if len({tensor.shape for tensor in tensors}) == 1:
            return list(send(torch.stack(tensors), self.device).unbind())
        return [send(tensor, self.device) for tensor in tensors]

    def _send_labels(self, samples: list[Any]) -> list[Any]:
        moved = [sample.new() for sample in samples]
        labelled = [sample for sample in moved if 'gt_sem_seg' in sample]
        labels = [sample.gt_sem_seg.data.to(torch.uint8) for sample in labelled]
        for sample, label in zip(labelled, self._send_all(labels) if labels else []):
            sample.gt_sem_seg = PixelData(data=label.long())
        return moved
