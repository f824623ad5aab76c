"""Random crop of image, CRF maps and label maps, padded where they are smaller."""

import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS


@TRANSFORMS.register_module()
class AffinityCrop(BaseTransform):
    """Random crop of image, maps and labels; what is smaller than the crop is put at a random place
    in it and padded around.

    Sets ``img_box``, the part of the crop that is image: y0, y1, x0, x1, ends exclusive.

    Args:
        crop_size (tuple[int]): (H,W) of the result.
        img_pad (float | Sequence[float]): Grey level outside the image, per channel BGR or for all.
            PSA pads with 0 before normalising; IRN with 0 after it, that is with the mean.
        seg_pad (int): Value of maps and labels outside: 0 for CRF maps (ignored cells), 255 for
            label maps.

    Raises:
        ValueError: A side below 1.
    """

    def __init__(self, crop_size, *, img_pad=0, seg_pad=0):
        self.crop_size = tuple(crop_size)
        if len(self.crop_size) != 2 or min(self.crop_size) < 1:
            raise ValueError(
                f'AffinityCrop: crop_size must be two positive sides (H,W), got {crop_size}'
            )
        self.img_pad = img_pad
        self.seg_pad = seg_pad

    def transform(self, results):
        """Crop the entries of ``results``."""
        spans = []
        for side, target in zip(results['img'].shape, self.crop_size):
            shift = np.random.randint(0, abs(side - target) + 1)
            start, place = (shift, 0) if side > target else (0, shift)
            length = min(side, target)
            spans.append((slice(start, start + length), slice(place, place + length)))
        (rows, rows_to), (columns, columns_to) = spans

        def crop(array, padding):
            window = np.empty((*self.crop_size, *array.shape[2:]), array.dtype)
            window[...] = padding
            window[rows_to, columns_to] = array[rows, columns]
            return window

        results['img'] = crop(results['img'], self.img_pad)
        for key in results.get('seg_fields', ()):
            results[key] = crop(results[key], self.seg_pad)
        results['img_shape'] = self.crop_size
        results['img_box'] = rows_to.start, rows_to.stop, columns_to.start, columns_to.stop
        return results
