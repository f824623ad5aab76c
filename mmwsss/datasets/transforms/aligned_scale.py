"""Scales of a test image as MCTformer's segmentation code makes them."""

from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torch.nn import functional as F

from mmwsss.registry import TRANSFORMS


@TRANSFORMS.register_module()
class AlignedScale(BaseTransform):
    """Resize an image in float, with aligned corners and sides that are cut to whole pixels.

    The released code resizes the normalised tensor. Normalisation is one line per channel, so that
    to resize the image without rounding and to normalise it then is the same.

    Args:
        scale_factor (float): New side over old side.
    """

    def __init__(self, scale_factor: float) -> None:
        self.scale_factor = scale_factor

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resize ``img``; masks, which are loaded later, stay at the size of the photograph."""
        image = torch.from_numpy(np.ascontiguousarray(results['img'])).permute(2, 0, 1).float()
        size = [int(side * self.scale_factor) for side in image.shape[-2:]]
        image = F.interpolate(image[None], size=size, mode='bilinear', align_corners=True)[0]
        results['img'] = image.permute(1, 2, 0).numpy()
        results['img_shape'] = tuple(size)
        results['scale_factor'] = (self.scale_factor, self.scale_factor)
        results['keep_ratio'] = True
        return results
