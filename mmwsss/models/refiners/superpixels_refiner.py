"""Superpixels as proposals that need no trained network."""

from collections.abc import Sequence
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from mmwsss.functional.proposals import segment_shares
from mmwsss.registry import REFINERS
from mmwsss.utils.extras import import_extra

from .base import Background, Backgrounds
from .crf_refiner import crf_scores
from .dense_crf import DenseCRF
from .per_image_refiner import PerImageRefiner

METHODS = ('felzenszwalb', 'slic')


@REFINERS.register_module(name='superpixels')
class SuperpixelsRefiner(PerImageRefiner):
    """Every superpixel votes: its score for a class is the share of its pixels whose best map is
    that class, and the scores of partitions at several scales are averaged.

    Votes, not mean activations: activations are skewed, so that few bright pixels would carry a
    whole superpixel. Needs scikit-image (``pip install "mmwsss[proposals]"``).

    Args:
        method (str): ``'felzenszwalb'`` (Felzenszwalb and Huttenlocher, IJCV 2004) or ``'slic'``
            (Achanta et al., PAMI 2012).
        sizes (Sequence[int]): Scale of observation of each partition (felzenszwalb; larger means
            larger regions), or the mean area of its superpixels in pixels (slic).
        compactness (float): Weight of the distance against the colour (slic).
        then_crf (bool): Dense CRF on the averaged votes.
        preset (str): Settings of that CRF, see :class:`DenseCRF`.
        background, uncertain: See :class:`Refiner`.

    Raises:
        ValueError: Unknown method, no size, or scikit-image is not installed.
    """

    def __init__(
        self,
        method: str = 'felzenszwalb',
        *,
        sizes: Sequence[int] = (100,),
        compactness: float = 10.0,
        then_crf: bool = False,
        preset: str = 'psa',
        background: Background = 0.4,
        uncertain: float = 0.0,
    ) -> None:
        super().__init__(background=background, uncertain=uncertain)
        if method not in METHODS:
            raise ValueError(f'the method of superpixels must be one of {METHODS}, got {method!r}')
        if not sizes or min(sizes) < 1:
            raise ValueError(f'sizes of superpixels must be at least 1 pixel, got {sizes}')
        self.method, self.sizes, self.compactness = method, tuple(sizes), compactness
        self.crf = DenseCRF(preset) if then_crf else None
        _segmentation()

    def refine_image(self, image: Tensor, cams: Tensor, backgrounds: Backgrounds) -> list[Tensor]:
        """See :meth:`PerImageRefiner.refine_image`; an image is partitioned once."""
        segments = [self.partition(image, area).to(cams.device) for area in self.sizes]
        results = []
        for background in backgrounds:
            seeds = self.seeds(cams, image.shape[-2:], background)
            best = seeds.max(0).indices
            shares = [segment_shares(best, ids, len(seeds)) for ids in segments]
            scores = torch.stack(shares).mean(0)
            if self.crf is not None:
                (scores,) = crf_scores(self.crf, image, [scores])
            results.append(scores)
        return results

    def partition(self, image: Tensor, size: int) -> Tensor:
        """Superpixels of an image.

        Args:
            image (Tensor): (3,H,W) uint8 RGB.
            size (int): See the constructor.

        Returns:
            Tensor: (H,W) int64 ids from 0.
        """
        pixels = image.permute(1, 2, 0).cpu().numpy()
        segmentation = _segmentation()
        if self.method == 'slic':
            count = max(1, round(pixels.shape[0] * pixels.shape[1] / size))
            ids = segmentation.slic(
                pixels, n_segments=count, compactness=self.compactness, start_label=0
            )
        else:
            ids = segmentation.felzenszwalb(pixels, scale=size, sigma=0.8, min_size=40)
        return torch.from_numpy(np.ascontiguousarray(ids)).long()


def _segmentation() -> ModuleType:
    return import_extra('skimage.segmentation', 'proposals', 'the refiner superpixels')
