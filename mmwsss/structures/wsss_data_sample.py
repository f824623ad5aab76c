"""Annotations and predictions of one image."""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor


class WSSSDataSample(SegDataSample):
    """:class:`mmseg.structures.SegDataSample` with image tags and class activation maps.

    In addition to ``gt_sem_seg`` (evaluation only), ``pred_sem_seg`` and ``seg_logits`` it may
    contain:

    - ``gt_tags`` (C,) float32 multi-hot, background excluded.
    - ``pred_scores`` (C,) float32 in [0,1], probability of each tag.
    - ``pred_cams`` :class:`mmengine.structures.PixelData` with ``data`` (K,H,W) float32 in [0,1];
      the metainfo ``cam_keys`` is the tuple of the K 0-based class ids.
    - ``pred_aux_cams``: the maps of an auxiliary classifier for the same classes.
    """

    def set_gt_tags(self, tags: Sequence[int] | np.ndarray | Tensor) -> 'WSSSDataSample':
        """Set the multi-hot tags (C,). Returns self."""
        self.set_field(torch.as_tensor(tags, dtype=torch.float32), 'gt_tags', dtype=torch.Tensor)
        return self

    def set_pred_scores(self, scores: Tensor) -> 'WSSSDataSample':
        """Set the tag probabilities (C,). Returns self."""
        self.set_field(scores.detach().float(), 'pred_scores', dtype=torch.Tensor)
        return self

    def set_pred_cams(self, keys: Sequence[int] | np.ndarray, cams: Tensor) -> 'WSSSDataSample':
        """Set the maps ``cams`` (K,H,W) of the 0-based classes ``keys`` (K,). Returns self."""
        return self.set_cams('pred_cams', keys, cams)

    def set_cams(
        self, field: str, keys: Sequence[int] | np.ndarray, cams: Tensor
    ) -> 'WSSSDataSample':
        """:meth:`set_pred_cams` for maps with another name. Returns self."""
        self.set_field(PixelData(data=cams.detach()), field, dtype=PixelData)
        self.set_metainfo(dict(cam_keys=tuple(int(key) for key in keys)))
        return self
