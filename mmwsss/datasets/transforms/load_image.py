"""Loading of images, with errors that name the file."""

from typing import Any

from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS
from mmwsss.utils.image_io import ALPHA_COLOR, read_image, shrink


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Read ``img_path`` as (H,W,3) uint8 BGR.

    Sets ``img``, ``img_shape``, ``ori_shape`` (H,W) and, if there is none, an empty ``seg_fields``:
    the entries that the transforms of MMCV, MMSegmentation and MMPretrain require. Grey, palette
    and CMYK images are converted to colour images. The EXIF orientation of photos is applied unless
    the item has ``raw_pixels``. With ``max_side`` of the item or of this transform, ``img`` is
    downscaled; ``ori_shape`` stays that of the photo, to which maps are scaled back.

    Args:
        max_side: Longest side of ``img``, pixels; None: that of the item.
        max_pixels: Largest photo, width x height; None: ``MMWSSS_MAX_MEGAPIXELS``.
        value_range: Value range of photos with more than 8 bits, see
            :func:`mmwsss.utils.io.read_image`.
        alpha_color: R, G, B colour of transparent pixels.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not a readable image. The message names it.
    """

    def __init__(
        self,
        *,
        max_side: int | None = None,
        max_pixels: float | None = None,
        value_range: str | tuple[float, float] = 'percentile',
        alpha_color: tuple[int, int, int] = ALPHA_COLOR,
    ) -> None:
        self.max_side = max_side
        self.max_pixels = max_pixels
        self.value_range = value_range
        self.alpha_color = alpha_color

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the image to ``results``."""
        image = read_image(
            results['img_path'],
            raw=results.get('raw_pixels', False),
            max_pixels=self.max_pixels,
            value_range=self.value_range,
            alpha_color=self.alpha_color,
        )
        results['ori_shape'] = image.shape[:2]
        image = shrink(image, results.get('max_side') or self.max_side)
        results['img'] = image
        results['img_shape'] = image.shape[:2]
        results.setdefault('seg_fields', [])
        return results
