"""Superpixels as proposals that need no trained network."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmwsss.functional.proposals import segment_means, segment_shares
from mmwsss.models.modules import Superpixels
from mmwsss.registry import REFINERS

from .base import Background, Backgrounds
from .crf_refiner import crf_scores
from .dense_crf import DenseCRF
from .per_image_refiner import PerImageRefiner

VOTES = ('share', 'mean')


@REFINERS.register_module(name='superpixels')
class SuperpixelsRefiner(PerImageRefiner):
    """Averages the votes of superpixels over partitions at several scales.

    Needs scikit-image (``pip install "mmwsss[proposals]"``).

    Args:
        method (str): See :class:`Superpixels`.
        sizes (Sequence[int]): ``size`` of each partition, see :class:`Superpixels`.
        min_size (int): See :class:`Superpixels`.
        compactness (float): See :class:`Superpixels`.
        vote (str): Vote of a superpixel for a class: ``'share'``, the share of its pixels whose
            best map is that class, for rectified maps, where a few bright pixels would dominate a
            superpixel; ``'mean'``, the mean of the map, for maps that are not skewed
            (:class:`TSCAM`, :class:`Composed` with ``signed``).
        then_crf (bool): Dense CRF on the averaged votes.
        preset (str): Settings of that CRF, see :class:`DenseCRF`.
        background, uncertain: See :class:`Refiner`.

    Raises:
        ValueError: The method or the vote is unknown, there is no size, or scikit-image is not
            installed.
    """

    def __init__(
        self,
        method: str = 'felzenszwalb',
        *,
        sizes: Sequence[int] = (100,),
        min_size: int = 40,
        compactness: float = 10.0,
        vote: str = 'share',
        then_crf: bool = False,
        preset: str = 'psa',
        background: Background = 0.4,
        uncertain: float = 0.0,
    ) -> None:
        super().__init__(background=background, uncertain=uncertain)
        if vote not in VOTES:
            raise ValueError(f'vote of superpixels must be one of {VOTES}, got {vote!r}')
        if not sizes:
            raise ValueError('superpixels need at least one size, got none')
        self.partitions = [
            Superpixels(method, size=size, min_size=min_size, compactness=compactness)
            for size in sizes
        ]
        self.vote = vote
        self.crf = DenseCRF(preset) if then_crf else None

    def refine_image(self, image: Tensor, cams: Tensor, backgrounds: Backgrounds) -> list[Tensor]:
        """See :meth:`PerImageRefiner.refine_image`; an image is partitioned once."""
        segments = [partition(image).to(cams.device) for partition in self.partitions]
        results = []
        for background in backgrounds:
            seeds = self.seeds(cams, image.shape[-2:], background)
            scores = torch.stack([self._scores(seeds, ids) for ids in segments]).mean(0)
            if self.crf is not None:
                (scores,) = crf_scores(self.crf, image, [scores])
            results.append(scores)
        return results

    def _scores(self, seeds: Tensor, segments: Tensor) -> Tensor:
        """Votes (1+K,H,W) of one partition."""
        if self.vote == 'mean':
            return segment_means(seeds, segments)
        return segment_shares(seeds.max(0).indices, segments, len(seeds))
