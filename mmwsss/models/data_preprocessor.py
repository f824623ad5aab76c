"""From a batch of uint8 images to normalised tensors on the device."""

import torch
from mmengine.model import ImgDataPreprocessor
from torch import Tensor

from mmwsss.registry import MODELS


@MODELS.register_module()
class ViewsDataPreprocessor(ImgDataPreprocessor):
    """Normalisation for images of one size (training) or of several scales per image (CAM
    inference).

    Args:
        mean, std (Sequence[float]): Per channel, RGB order, 0-255.
        bgr_to_rgb (bool): Input is BGR, as MMCV loads it.
    """

    def __init__(
        self, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375), *, bgr_to_rgb=True
    ):
        super().__init__(mean=mean, std=std, bgr_to_rgb=bgr_to_rgb)

    def forward(self, data, training=False):
        """Normalise a collated batch.

        Args:
            data (dict): ``inputs``: list of B uint8 tensors (3,H,W), or, as collated from images
                with V views, V lists of B such tensors; ``data_samples``: list of B samples.

        Returns:
            dict: ``inputs`` as (B,3,H,W) where all images have one size and no views, else a list
                of B lists of (1,3,h,w); in training with
            views a list of V tensors (B,3,H,W), where views after the first that differ in size are
            lists of B tensors (3,h,w).
        """
        data = self.cast_data(data)
        inputs = data['inputs']
        if isinstance(inputs[0], Tensor) and len({image.shape for image in inputs}) == 1:
            return super().forward(dict(data, inputs=list(inputs)), training)
        if training:
            views = [inputs] if isinstance(inputs[0], Tensor) else inputs
            if len({image.shape for image in views[0]}) == 1:
                return dict(data, inputs=[self._normalize_batch(view) for view in views])
            sizes = ', '.join(f'{image.shape[-1]}x{image.shape[-2]}' for image in views[0])
            raise ValueError(
                f'images of one training batch must have one size, got {sizes}; crop or resize '
                f'them in the pipeline'
            )
        views = (
            [[image] for image in inputs] if isinstance(inputs[0], Tensor) else list(zip(*inputs))
        )
        data['inputs'] = [[self._normalize(view)[None] for view in image] for image in views]
        return data

    def _normalize_batch(self, images):
        images = [self._normalize(image) for image in images]
        return torch.stack(images) if len({image.shape for image in images}) == 1 else images

    def _normalize(self, image):
        image = image.flip(0) if self._channel_conversion else image
        return (image.float() - self.mean) / self.std
