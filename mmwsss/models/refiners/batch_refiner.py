"""Base class of refiners that process images of the same size together."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.functional.cam import resize_maps
from mmwsss.utils.transfer import send

from .base import Backgrounds, Refiner, Sizes, Tensors


class BatchRefiner(Refiner):
    """Refines all images of the same size in one batch, at that size; several background scores
    share the computation on the images.

    A subclass implements :meth:`refine_batch`.

    Args:
        background, uncertain: See :class:`Refiner`.
    """

    @abstractmethod
    def refine_batch(
        self, images: Tensor, stacks: Sequence[Tensor], counts: Sequence[int]
    ) -> list[Tensor]:
        """Scores of images of the same size.

        Args:
            images (Tensor): (B,3,h,w) uint8 RGB, on the device of the scores.
            stacks (list[Tensor]): Scores before refinement (B,K+1,h,w), one stack for each
                background score. Images with fewer classes are padded with planes of 0.
            counts (Sequence[int]): Number of planes of each image, including the background.

        Returns:
            list[Tensor]: (B,K+1,h,w) of each stack; padded planes are not read.
        """

    def refine(self, images: Tensors, cams: Tensors, tags: Tensors, sizes: Sizes) -> list[Tensor]:
        """See :meth:`Refiner.refine`."""
        return self.refine_several(images, cams, tags, sizes, [self.background])[0]

    def refine_several(
        self, images: Tensors, cams: Tensors, tags: Tensors, sizes: Sizes, backgrounds: Backgrounds
    ) -> list[list[Tensor]]:
        """See :meth:`Refiner.refine_several`."""
        results = [[torch.empty(0)] * len(images) for _ in backgrounds]
        for chosen in same_sizes(images):
            stacks = [
                pad_and_stack(
                    [self.seeds(cams[i], images[i].shape[-2:], background) for i in chosen]
                )
                for background in backgrounds
            ]
            pixels = stack_images([images[i] for i in chosen], stacks[0].device)
            counts = [len(cams[i]) + 1 for i in chosen]
            refined = self.refine_batch(pixels, stacks, counts)
            for result, stack in zip(results, refined, strict=True):
                for i, scores, count in zip(chosen, stack, counts, strict=True):
                    result[i] = resize_maps(scores[None, :count], sizes[i])[0]
        return results


def same_sizes(images: Tensors, *others: Sequence) -> Iterator[list[int]]:
    """Positions of the images of each size; all further keys must agree too."""
    groups: dict[tuple, list[int]] = {}
    for index, image in enumerate(images):
        key = (tuple(image.shape[-2:]), *(tuple(other[index]) for other in others))
        groups.setdefault(key, []).append(index)
    yield from groups.values()


def stack_images(images: Tensors, device: torch.device) -> Tensor:
    """Images (3,h,w) of the same size as (B,3,h,w) on a device."""
    return torch.stack([send(image, device) for image in images])


def pad_and_stack(maps: Tensors) -> Tensor:
    """Maps (K,h,w) of the same size as (B,K,h,w) with the largest K, padded with 0."""
    planes = max(map(len, maps))
    return torch.stack([F.pad(stack, (0, 0, 0, 0, 0, planes - len(stack))) for stack in maps])
