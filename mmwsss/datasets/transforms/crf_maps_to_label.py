"""Labels of PSA from CRF maps, computed after the crop."""

from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmwsss.functional.affinity import block_average_first, labels_of_means
from mmwsss.registry import TRANSFORMS


@TRANSFORMS.register_module()
class CRFMapsToLabel(BaseTransform):
    """Labels of PSA: ``affinity_label`` (h,w) uint8 on a grid of ``stride`` pixels from
    ``crf_maps`` (PSA).

    0 background, channel position 1..K, 255 uncertain. It is the last transform before packing,
    because the label is that of the crop.

    Args:
        stride (int): Stride of the grid of the network in pixels.
    """

    def __init__(self, stride: int = 8) -> None:
        self.stride = stride

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the label to ``results``."""
        maps = torch.from_numpy(np.ascontiguousarray(results['crf_maps']))
        la, ha = block_average_first(maps, self.stride).permute(2, 3, 0, 1)
        results['affinity_label'] = labels_of_means(la, ha).numpy().astype(np.uint8)
        return results
