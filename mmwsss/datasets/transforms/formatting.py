"""Conversion of arrays to the inputs of a model."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from torch import Tensor

from mmwsss.registry import TRANSFORMS
from mmwsss.structures import WSSSDataSample


@TRANSFORMS.register_module()
class PackTagInputs(BaseTransform):
    """Pack an item into ``inputs`` and a :class:`mmwsss.structures.WSSSDataSample`.

    ``inputs``: tensor (3,H,W) of ``img``, uint8 as it was loaded; with ``views`` a list of such
    tensors, one per view. ``data_samples``: ``gt_tags`` (C,) multi-hot if the item has tags (C is
    its ``num_tags``), ``gt_sem_seg`` (1,H,W) int64 if it has ``gt_seg_map``, and the meta
    information.

    Args:
        meta_keys (Sequence[str]): Entries that become meta information if present.
    """

    def __init__(
        self,
        *,
        meta_keys: Sequence[str] = (
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'pad_shape',
            'scale_factor',
            'flip',
            'flip_direction',
            'sample_idx',
            'img_box',
            'view',
            'raw_pixels',
        ),
    ) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack ``results``.

        Returns:
            dict: ``inputs`` and ``data_samples``.
        """
        metainfo = {key: results[key] for key in self.meta_keys if key in results}
        for key in {'ori_shape', 'img_shape', 'pad_shape'} & metainfo.keys():
            metainfo[key] = tuple(metainfo[key][:2])  # some transforms append the channels
        sample = WSSSDataSample(metainfo=metainfo)
        if 'gt_tags' in results:
            tags = torch.zeros(results['num_tags'])
            tags[list(results['gt_tags'])] = 1
            sample.set_gt_tags(tags)
        if 'gt_seg_map' in results:
            sample.gt_sem_seg = PixelData(
                data=torch.from_numpy(results['gt_seg_map'].astype(np.int64))[None]
            )
        views = results.get('views')
        return {
            'inputs': _to_tensor(results['img'])
            if views is None
            else [_to_tensor(view) for view in views],
            'data_samples': sample,
        }


def _to_tensor(image: np.ndarray) -> Tensor:
    """(H,W,3) array -> contiguous (3,H,W) tensor that shares no memory with it."""
    planes = cv2.split(np.ascontiguousarray(image))  # twice as fast as a transposed copy
    return torch.from_numpy(np.stack(planes))
