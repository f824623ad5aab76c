"""Conversion of arrays to the inputs of an affinity network."""

from typing import Any

import numpy as np
import torch
from mmengine.structures import PixelData

from mmwsss.registry import TRANSFORMS

from .formatting import PackTagInputs


@TRANSFORMS.register_module()
class PackAffinityInputs(PackTagInputs):
    """:class:`PackTagInputs` with ``affinity_label`` (1,h,w) int64 in the sample.

    Args:
        meta_keys (Sequence[str]): Entries that become meta information if present.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack ``results``.

        Returns:
            dict: ``inputs`` (3,H,W) uint8 and ``data_samples``.
        """
        packed = super().transform(results)
        label = torch.from_numpy(results['affinity_label'].astype(np.int64))[None]
        packed['data_samples'].set_data({'affinity_label': PixelData(data=label)})
        return packed
