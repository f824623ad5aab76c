"""Labels of IRN on the grid of the network."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS


@TRANSFORMS.register_module()
class IRLabelToGrid(BaseTransform):
    """Labels of IRN: ``affinity_label`` (h,w) uint8, ``ir_label`` at the centre of each cell of
    ``stride`` pixels (IRN).

    Args:
        stride (int): Stride of the grid of the network in pixels: h=(H-1)//stride+1 and w likewise.
    """

    def __init__(self, stride: int = 4) -> None:
        self.stride = stride

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the label to ``results``."""
        label = torch.from_numpy(np.ascontiguousarray(results['ir_label']))
        size = [(side - 1) // self.stride + 1 for side in label.shape]
        results['affinity_label'] = F.interpolate(
            label[None, None], size=size, mode='nearest-exact'
        )[0, 0].numpy()
        return results
