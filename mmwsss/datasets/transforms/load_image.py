"""Images from files, with errors that name the file."""

from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS
from mmwsss.utils.io import read_image


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Read ``img_path`` as (H,W,3) uint8 BGR.

    Sets ``img``, ``img_shape``, ``ori_shape`` (H,W) and, if there is none, an empty ``seg_fields``:
    what the transforms of MMCV, MMSegmentation and MMPretrain start from. Grey, palette and CMYK
    images become colour images.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file is no readable image; names it.
    """

    def transform(self, results):
        """Add the image to ``results``."""
        image = read_image(results['img_path'])
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        results.setdefault('seg_fields', [])
        return results
