"""Mask proposals, of Segment Anything or any other generator, merged with class activation maps."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from mmwsss.functional.cam import resize_maps
from mmwsss.functional.proposals import merge_proposals
from mmwsss.functional.pseudo_labels import class_labels
from mmwsss.functional.regions import Region, find_regions
from mmwsss.registry import REFINERS
from mmwsss.utils.proposal_io import find_proposals, read_proposals

from .base import Background, Refiner, Sizes, Tensors
from .prompted_sam import PromptedSAM


@REFINERS.register_module(name='sam')
class SAMRefiner(Refiner):
    """Seeds from the maps, replaced by the mask proposals that belong to them (SEPL).

    Proposals come from files, ``<proposals>/<id>.json`` (the output of Segment Anything's automatic
    mask generator with COCO run lengths) or ``<id>.npz``, or from a network that is prompted by the
    box and the peak of every region of every map. They are read or computed one by one, so that
    memory does not grow with their number.

    Args:
        proposals (str, optional): Folder of the proposal files.
        model (str, optional): Network of transformers, see :class:`PromptedSAM`; it replaces the
            files.
        prompt_threshold (float): Regions are the parts of a map above this fraction of its maximum.
        most_prompts (int): Largest number of regions per map that are used as prompts, those with
            the highest peaks.
        min_overlap, min_cover (float): See
            :func:`~mmwsss.functional.proposals.merge_proposals`.
        background, uncertain: See :class:`Refiner`; they define the seeds.

    Raises:
        ValueError: A share is outside [0,1], there are both files and a network or neither, or the
            network cannot be used.
    """

    uses_ids = True

    def __init__(
        self,
        *,
        proposals: str | None = None,
        model: str | None = None,
        prompt_threshold: float = 0.5,
        most_prompts: int = 8,
        min_overlap: float = 0.5,
        min_cover: float = 0.85,
        background: Background = 0.4,
        uncertain: float = 0.0,
    ) -> None:
        super().__init__(background=background, uncertain=uncertain)
        shares = dict(
            min_overlap=min_overlap, min_cover=min_cover, prompt_threshold=prompt_threshold
        )
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise ValueError(f'{name} of sam must be in [0,1], got {value}')
        if (proposals is None) == (model is None):
            raise ValueError(
                'sam needs proposals=<folder of files> or model=<network of transformers>, '
                + ('not both' if model else 'got neither')
            )
        if most_prompts < 1:
            raise ValueError(f'most_prompts of sam must be at least 1, got {most_prompts}')
        self.proposals = proposals
        self.network = None if model is None else PromptedSAM(model)
        self.prompt_threshold, self.most_prompts = prompt_threshold, most_prompts
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
                self._proposals(name, image, seeds[1:]),
                min_overlap=self.min_overlap,
                min_cover=self.min_cover,
            ).to(seeds.device)
            slots = torch.searchsorted(names, merged)
            scores = F.one_hot(slots, len(names)).permute(2, 0, 1).float()
            results.append(resize_maps(scores[None], size)[0])
        return results

    def _proposals(self, name: str, image: Tensor, maps: Tensor) -> Iterator[Tensor]:
        if self.proposals is not None:
            size = (image.shape[-2], image.shape[-1])
            for mask in read_proposals(find_proposals(self.proposals, name), size):
                yield torch.from_numpy(mask)
        if self.network is not None:
            yield from self.network.masks(image, self.prompts(maps))

    def prompts(self, maps: Tensor) -> list[Region]:
        """Regions of all maps, for each map those with the highest peaks.

        Args:
            maps (Tensor): (K,H,W).
        """
        regions = []
        for plane in maps:
            found = find_regions(plane, self.prompt_threshold)
            found.sort(key=lambda region: -float(plane[region.peak]))
            regions += found[: self.most_prompts]
        return regions
