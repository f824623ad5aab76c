"""Loading of masks, with errors that name the file."""

from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS
from mmwsss.utils.io import read_mask


@TRANSFORMS.register_module()
class LoadMask(BaseTransform):
    """Read ``seg_map_path`` as ``gt_seg_map`` (H,W) uint8, 0 background, 255 ignore; must directly
    follow :class:`LoadImage`.

    Args:
        num_classes (int, optional): K, including background. Default: ``num_tags`` + 1 of the data
            set.
        white (int, optional): Class of the pixels that are 255, for black-and-white masks of one
            object; by default they are ignored.
        optional (bool): Leave an item without ``seg_map_path`` unchanged (for validation data
            without masks).

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The item has no ``seg_map_path``, or the mask differs in size from the image or
            contains a value other than 0..K-1 and 255. The message names the file and the value.
    """

    def __init__(
        self, *, num_classes: int | None = None, optional: bool = False, white: int | None = None
    ) -> None:
        self.num_classes = num_classes
        self.white = white
        self.optional = optional

    def transform(self, results: dict) -> dict:
        """Add the mask to ``results``."""
        if 'seg_map_path' not in results:
            if self.optional:
                return results
            raise ValueError(
                f"{results.get('img_path')}: LoadMask finds no 'seg_map_path'; an image-tag data "
                f'set gives masks '
                "in test mode only (data_prefix['seg_map_path'])"
            )
        num_classes = results['num_tags'] + 1 if self.num_classes is None else self.num_classes
        mask = read_mask(results['seg_map_path'], num_classes, results['ori_shape'])
        if self.white is not None:
            mask[mask == 255] = self.white
        results['gt_seg_map'] = mask
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results
