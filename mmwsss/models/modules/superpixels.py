"""Superpixels: a partition of an image into regions of similar colour."""

from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from mmwsss.utils.extras import import_extra

METHODS = ('felzenszwalb', 'slic')


class Superpixels:
    """Partitions images with scikit-image (``pip install "mmwsss[proposals]"``), on the CPU.

    Args:
        method (str): ``'felzenszwalb'`` (Felzenszwalb and Huttenlocher, IJCV 2004) or ``'slic'``
            (Achanta et al., PAMI 2012).
        size (int): Scale of observation (felzenszwalb; larger means larger regions), or the mean
            area of the superpixels in pixels (slic).
        min_size (int): Smallest superpixel in pixels (felzenszwalb).
        compactness (float): Weight of the distance against the colour (slic).

    Raises:
        ValueError: The method is unknown, the size is below 1, or scikit-image is not installed.
    """

    def __init__(
        self,
        method: str = 'felzenszwalb',
        *,
        size: int = 100,
        min_size: int = 40,
        compactness: float = 10.0,
    ) -> None:
        if method not in METHODS:
            raise ValueError(f'the method of superpixels must be one of {METHODS}, got {method!r}')
        if size < 1:
            raise ValueError(f'sizes of superpixels must be at least 1 pixel, got {size}')
        if min_size < 1:
            raise ValueError(f'min_size of superpixels must be at least 1 pixel, got {min_size}')
        self.method, self.size = method, size
        self.min_size, self.compactness = min_size, compactness
        _segmentation()

    def __call__(self, image: Tensor) -> Tensor:
        """Superpixels (H,W) of an image (3,H,W) uint8 RGB: int64 ids from 0, on its device."""
        pixels = image.permute(1, 2, 0).cpu().numpy()
        if self.method == 'slic':
            count = max(1, round(pixels.shape[0] * pixels.shape[1] / self.size))
            ids = _segmentation().slic(
                pixels, n_segments=count, compactness=self.compactness, start_label=0
            )
        else:
            ids = _segmentation().felzenszwalb(
                pixels, scale=self.size, sigma=0.8, min_size=self.min_size
            )
        return torch.from_numpy(np.ascontiguousarray(ids)).long().to(image.device)


def _segmentation() -> ModuleType:
    return import_extra('skimage.segmentation', 'proposals', 'superpixels')
