"""CRF maps from files."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS
from mmwsss.utils.affinity_io import read_crf_maps


@TRANSFORMS.register_module()
class LoadCRFMaps(BaseTransform):
    """Read ``affinity_path`` as ``crf_maps`` (H,W,2,K+1) float16: strong and weak background, each
    with the background channel first.

    Must follow :class:`LoadImage`.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged, or the maps differ in size from the image. The message
            names the file.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the maps to ``results``."""
        maps = read_crf_maps(results['affinity_path'])
        check_size(results, maps.la.shape[1:])
        results['crf_maps'] = np.stack([maps.la, maps.ha]).transpose(2, 3, 0, 1)
        # mmseg.RandomFlip then flips it with the image
        results.setdefault('seg_fields', []).append('crf_maps')
        return results


def check_size(results: dict[str, Any], size: Sequence[int]) -> None:
    """Raise an error that names both files if the content of ``affinity_path``, (H,W), differs in
    size from the loaded image.
    """
    expected = tuple(results['ori_shape'][:2])
    if tuple(size) != expected:
        raise ValueError(
            f'{results["affinity_path"]}: holds {size[1]}x{size[0]} (width x height), but '
            f'{results["img_path"]} is '
            f'{expected[1]}x{expected[0]}; write it again with tools/make_affinity_labels.py'
        )
