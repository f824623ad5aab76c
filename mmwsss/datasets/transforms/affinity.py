"""Transforms of affinity training: image and CRF maps (PSA) or label map (IRN) move together, the label is made after the crop.

Maps and labels are in ``seg_fields``, so that ``mmseg.RandomFlip`` flips them with the image.
"""
import mmcv
import numpy as np
import torch
import torch.nn.functional as F
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData

from mmwsss.functional.affinity import affinity_labels
from mmwsss.registry import TRANSFORMS
from mmwsss.utils.affinity_io import read_crf_maps
from mmwsss.utils.io import read_mask

from .formatting import PackTagInputs
from .random_scale import RandomScale


@TRANSFORMS.register_module()
class LoadCRFMaps(BaseTransform):
    """Read ``affinity_path`` as ``crf_maps`` (H,W,2,K+1) float16: strong and weak background, each with the background channel first.

    Comes after :class:`LoadImage`.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Damaged file, or maps of another size than the image; names the file.
    """

    def transform(self, results):
        """Add the maps to ``results``."""
        maps = read_crf_maps(results['affinity_path'])
        _check_size(results, maps.la.shape[1:])
        results['crf_maps'] = np.stack([maps.la, maps.ha]).transpose(2, 3, 0, 1)
        results.setdefault('seg_fields', []).append('crf_maps')
        return results


@TRANSFORMS.register_module()
class LoadIRLabel(BaseTransform):
    """Read ``affinity_path`` as ``ir_label`` (H,W) uint8: 0 background, class, 255 unsure. Comes after :class:`LoadImage`.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Unreadable label map, or one of another size than the image; names the file.
    """

    def transform(self, results):
        """Add the label map to ``results``."""
        label = read_mask(results['affinity_path'])
        _check_size(results, label.shape)
        results['ir_label'] = label
        results.setdefault('seg_fields', []).append('ir_label')
        return results


@TRANSFORMS.register_module()
class AffinityScale(RandomScale):
    """:class:`RandomScale` with bicubic interpolation of the image; label maps are resized by the nearest pixel.

    Args:
        ratio_range (tuple[float]): Smallest and largest factor, drawn uniformly between them.

    Raises:
        ValueError: Not 0 < smallest <= largest.
    """

    def transform(self, results):
        """Resize the entries of ``results``."""
        image = results['img']
        results = super().transform(results)
        height, width = results['img_shape']
        results['img'] = mmcv.imresize(image, (width, height), interpolation='bicubic')
        return results


@TRANSFORMS.register_module()
class AffinityCrop(BaseTransform):
    """Random crop of image, maps and labels; what is smaller than the crop is put at a random place in it and padded around.

    Args:
        crop_size (tuple[int]): (H,W) of the result.
        img_pad (float | Sequence[float]): Grey level outside the image, per channel BGR or for all. PSA pads with 0 before normalising;
            IRN with 0 after it, that is with the mean.
        seg_pad (int): Value of maps and labels outside: 0 for CRF maps (ignored cells), 255 for label maps.

    Raises:
        ValueError: A side below 1.
    """

    def __init__(self, crop_size, *, img_pad=0, seg_pad=0):
        self.crop_size = tuple(crop_size)
        if len(self.crop_size) != 2 or min(self.crop_size) < 1:
            raise ValueError(f'AffinityCrop: crop_size must be two positive sides (H,W), got {crop_size}')
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
        return results


@TRANSFORMS.register_module()
class CRFMapsToLabel(BaseTransform):
    """Labels of PSA: ``affinity_label`` (h,w) uint8 on a grid of ``stride`` pixels from ``crf_maps`` (spec: pipeline 1.2).

    0 background, channel position 1..K, 255 unsure. Comes last before packing: the label is that of the crop.

    Args:
        stride (int): Grid in pixels, that of the network.
    """

    def __init__(self, stride=8):
        self.stride = stride

    def transform(self, results):
        """Add the label to ``results``."""
        la, ha = torch.from_numpy(results['crf_maps'].transpose(2, 3, 0, 1).astype(np.float32))
        results['affinity_label'] = affinity_labels(la, ha, stride=self.stride).numpy().astype(np.uint8)
        return results


@TRANSFORMS.register_module()
class IRLabelToGrid(BaseTransform):
    """Labels of IRN: ``affinity_label`` (h,w) uint8, ``ir_label`` at the middle of each cell of ``stride`` pixels (spec: pipeline 2.2).

    Args:
        stride (int): Grid in pixels, that of the network: h=(H-1)//stride+1 and w alike.
    """

    def __init__(self, stride=4):
        self.stride = stride

    def transform(self, results):
        """Add the label to ``results``."""
        label = torch.from_numpy(np.ascontiguousarray(results['ir_label']))
        size = [(side - 1) // self.stride + 1 for side in label.shape]
        results['affinity_label'] = F.interpolate(label[None, None], size=size, mode='nearest-exact')[0, 0].numpy()
        return results


@TRANSFORMS.register_module()
class PackAffinityInputs(PackTagInputs):
    """:class:`PackTagInputs` with ``affinity_label`` (1,h,w) int64 in the sample.

    Args:
        meta_keys (Sequence[str]): Entries that become meta information where present.
    """

    def transform(self, results):
        """Pack ``results``.

        Returns:
            dict: ``inputs`` (3,H,W) uint8 and ``data_samples``.
        """
        packed = super().transform(results)
        label = torch.from_numpy(results['affinity_label'].astype(np.int64))[None]
        packed['data_samples'].set_data({'affinity_label': PixelData(data=label)})
        return packed


def _check_size(results, size):
    expected = tuple(results['ori_shape'][:2])
    if tuple(size) != expected:
        raise ValueError(f'{results["affinity_path"]}: holds {size[1]}x{size[0]} (width x height), but {results["img_path"]} is '
                         f'{expected[1]}x{expected[0]}; make it again with tools/make_affinity_labels.py')
