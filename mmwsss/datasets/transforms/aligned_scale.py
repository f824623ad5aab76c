"""Scales of a test image as in MCTformer's segmentation code."""

from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torch.nn import functional as F

from mmwsss.registry import TRANSFORMS


@TRANSFORMS.register_module()
class AlignedScale(BaseTransform):
    """Resize an image in floating point, with aligned corners and sides truncated to whole pixels.

    The released code resizes the normalised tensor. Normalisation is linear per channel, so that
    resizing the image without rounding and then normalising it is equivalent.

    Args:
        scale_factor (float): Ratio of the new to the old side.
    """

    def __init__(self, scale_factor: float) -> None:
        self.scale_factor = scale_factor

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resize ``img``; masks are loaded later and keep the size of the photo."""
        image = torch.from_numpy(np.ascontiguousarray(results['img'])).permute(2, 0, 1).float()
        size = [int(side * self.scale_factor) for side in image.shape[-2:]]
        image = F.interpolate(image[None], size=size, mode='bilinear', align_corners=True)[0]
        results['img'] = image.permute(1, 2, 0).numpy()
        results['img_shape'] = tuple(size)
        results['scale_factor'] = (self.scale_factor, self.scale_factor)
        results['keep_ratio'] = True
        return results
