"""Masks of the localisation protocol of OpenImages-WSOL."""

from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS
from mmwsss.utils.io import read_mask


@TRANSFORMS.register_module()
class LoadWSOLMask(BaseTransform):
    """Read ``mask_paths`` and ``ignore_path`` as ``gt_seg_map`` (size,size) uint8
    (OpenImages-WSOL).

    Each PNG is resized to the square by nearest neighbour; the object is the union of all instances
    and gets the label of the image's class, and the region to ignore gets 255 where there is no
    object. Sets ``ori_shape`` to the square, the size at which maps are evaluated against the mask.
    Items without masks are not changed.

    Args:
        size (int): Side, pixels; 224 in the protocol.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: A mask is unreadable, or the image does not have exactly one class. The message
            names the file.
    """

    def __init__(self, *, size: int = 224) -> None:
        self.size = size

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the mask to ``results``."""
        if 'mask_paths' not in results:
            return results
        if len(results['gt_tags']) != 1:
            raise ValueError(
                f'{results["img_path"]}: LoadWSOLMask expects images of one class, this image has '
                f'{len(results["gt_tags"])}'
            )
        target = np.zeros((self.size, self.size), np.uint8)
        if results.get('ignore_path') is not None:
            target[self._read(results['ignore_path'])] = 255
        for path in results['mask_paths']:
            target[self._read(path)] = results['gt_tags'][0] + 1
        results['gt_seg_map'] = target
        results['ori_shape'] = target.shape
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def _read(self, path: str | Path) -> np.ndarray:
        """Mask (size,size) bool; values of 0 are outside."""
        mask = (read_mask(path) > 0).astype(np.uint8)
        rows, columns = (np.arange(self.size) * side // self.size for side in mask.shape)
        return mask[rows][:, columns] > 0
