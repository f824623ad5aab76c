"""Mask proposals, of Segment Anything or any other generator, merged with class activation maps."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mmwsss.functional.cam import resize_maps
from mmwsss.functional.proposals import merge_proposals
from mmwsss.functional.pseudo_labels import class_labels
from mmwsss.registry import REFINERS
from mmwsss.utils.proposal_io import find_proposals, read_proposals

from .base import Background, Refiner, Sizes, Tensors


@REFINERS.register_module(name='sam')
class SAMRefiner(Refiner):
    """Seeds from the maps, replaced by the mask proposals that belong to them (SEPL).

    Proposals come from files, ``<proposals>/<id>.json`` (the output of Segment Anything's automatic
    mask generator with COCO run lengths) or ``<id>.npz``. They are read one by one, so that memory
    does not grow with their number.

    Args:
        proposals (str): Folder of the proposal files.
        min_overlap, min_cover (float): See
            :func:`~mmwsss.functional.proposals.merge_proposals`.
        background, uncertain: See :class:`Refiner`; they make the seeds.

    Raises:
        ValueError: A share is outside [0,1].
    """

    uses_ids = True

    def __init__(
        self,
        *,
        proposals: str = 'proposals',
        min_overlap: float = 0.5,
        min_cover: float = 0.85,
        background: Background = 0.4,
        uncertain: float = 0.0,
    ) -> None:
        super().__init__(background=background, uncertain=uncertain)
        for name, value in dict(min_overlap=min_overlap, min_cover=min_cover).items():
            if not 0 <= value <= 1:
                raise ValueError(f'{name} of sam must be in [0,1], got {value}')
        self.proposals = proposals
        self.min_overlap, self.min_cover = min_overlap, min_cover

    def refine(self, images: Tensors, cams: Tensors, tags: Tensors, sizes: Sizes) -> list[Tensor]:
        """See :meth:`Refiner.refine`; the scores are 1 for the label of a pixel, else 0."""
        results = []
        for name, image, maps, keys, size in zip(
            self.image_ids, images, cams, tags, sizes, strict=True
        ):
            seeds = self.seeds(maps, image.shape[-2:])
            names = class_labels(keys.to(seeds.device))
            labels = names[seeds.argmax(0)].cpu()
            merged = merge_proposals(
                labels,
                self._proposals(name, (image.shape[-2], image.shape[-1])),
                min_overlap=self.min_overlap,
                min_cover=self.min_cover,
            ).to(seeds.device)
            slots = torch.searchsorted(names, merged)
            scores = F.one_hot(slots, len(names)).permute(2, 0, 1).float()
            results.append(resize_maps(scores[None], size)[0])
        return results

    def _proposals(self, name: str, size: tuple[int, int]) -> Any:
        masks = read_proposals(find_proposals(self.proposals, name), size)
        return (torch.from_numpy(mask) for mask in masks)
