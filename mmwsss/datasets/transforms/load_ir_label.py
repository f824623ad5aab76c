"""Loading of the label maps of IRN."""

from typing import Any

from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS
from mmwsss.utils.io import read_mask

from .load_crf_maps import check_size


@TRANSFORMS.register_module()
class LoadIRLabel(BaseTransform):
    """Read ``affinity_path`` as ``ir_label`` (H,W) uint8: 0 background, class, 255 uncertain. Must
    follow :class:`LoadImage`.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The label map is unreadable or differs in size from the image. The message names
            the file.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the label map to ``results``."""
        label = read_mask(results['affinity_path'])
        check_size(results, label.shape)
        results['ir_label'] = label
        # mmseg.RandomFlip then flips it with the image
        results.setdefault('seg_fields', []).append('ir_label')
        return results
