"""Common interface of all refiners, from images and class activation maps to scores."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from mmwsss.functional.affinity import background_plane
from mmwsss.functional.cam import resize_maps
from mmwsss.functional.pseudo_labels import IGNORE, class_labels

Background = float | tuple[str, float]
Backgrounds = Sequence[Background]
Tensors = Sequence[Tensor]  # one per image
Sizes = Sequence[Sequence[int]]  # (H,W) per image


class Refiner(ABC):
    """Computes scores of the background and of every class in an image from class activation maps.

    A subclass implements :meth:`refine` and registers itself under the name that
    ``tools/refine_cams.py --method`` and ``dict(type=...)`` of a config use::

        @REFINERS.register_module(name='my_refiner')
        class MyRefiner(Refiner):
            def refine(self, images, cams, tags, sizes):
                return [self.seeds(maps, size) for maps, size in zip(cams, sizes)]

    The keyword options of its constructor are its options on the command line; an unknown option is
    an error.

    Args:
        background (float | tuple): Score of the background that competes with the maps: a constant
            in [0,1], or ``('alpha', a)`` for ``(1 - max_k cam_k)^a``.
        uncertain (float): Width d >= 0 of a band: pixels whose label differs between the background
            scores ``background - d`` and ``background + d`` become 255. 0 switches it off.

    Raises:
        ValueError: ``uncertain`` is negative or is combined with a background that is not constant.
    """

    #: Whether the constructor takes ``network``, a trained network in evaluation mode. It is built
    #: from ``--config`` and ``--checkpoint`` by :func:`mmwsss.apis.refine.build_refiner`.
    uses_network = False
    #: Whether :meth:`refine` reads further files by the ids of the images (:meth:`for_images`).
    uses_ids = False
    #: Ids of the images for which :meth:`refine` is called.
    image_ids: tuple[str, ...] = ()

    def __init__(self, *, background: Background = 0.4, uncertain: float = 0.0) -> None:
        if uncertain < 0 or (uncertain and not isinstance(background, (int, float))):
            raise ValueError(
                f'uncertain (--uncertain) must be at least 0 and needs a constant background, got '
                f'{uncertain} with background {background}'
            )
        self.background = background
        self.uncertain = uncertain

    def for_images(self, ids: Sequence[str]) -> 'Refiner':
        """Refiner for the images with these ids; only some refiners depend on the ids."""
        if not self.uses_ids:
            return self
        other = copy.copy(self)
        other.image_ids = tuple(ids)
        return other

    @abstractmethod
    def refine(self, images: Tensors, cams: Tensors, tags: Tensors, sizes: Sizes) -> list[Tensor]:
        """Refine the maps of B images.

        Args:
            images: B images (3,h,w) uint8 RGB, not normalised; their sizes may differ.
            cams: B stacks of maps (K,h',w') float in [0,1], one map per class of the image, of any
                resolution. K differs from image to image and may be 0.
            tags: The class of each map, (K,) int64, 0-based without background, ascending.
            sizes: (H,W) of the scores of each image, usually that of the image.

        Returns:
            B tensors (K+1,H,W) float32 on the device of the maps: scores of the background and of
            the classes in the order of ``tags``. The largest score of a pixel is its label; scores
            need not sum to 1. An image without classes has only the background plane.
        """

    def labels(self, images: Tensors, cams: Tensors, tags: Tensors, sizes: Sizes) -> list[Tensor]:
        """Label maps of B images: the best score of each pixel, 255 where it is uncertain.

        Args:
            images, cams, tags, sizes: As in :meth:`refine`.

        Returns:
            B tensors (H,W) int64: 0 background, class id + 1, 255 uncertain. An image without
            classes is background.
        """
        results = [torch.zeros(tuple(size), dtype=torch.long) for size in sizes]
        tagged = [index for index, keys in enumerate(tags) if len(keys)]
        if not tagged:
            return results
        chosen = self.for_images([self.image_ids[index] for index in tagged if self.image_ids])
        stacks = chosen.refine_several(
            [images[index] for index in tagged],
            [cams[index] for index in tagged],
            [tags[index] for index in tagged],
            [sizes[index] for index in tagged],
            self._backgrounds(),
        )
        for position, index in enumerate(tagged):
            names = class_labels(tags[index].to(stacks[0][position].device))
            # `max` over a few planes takes a tenth of the time of `argmax`
            low, *high = (names[stack[position].max(0).indices] for stack in stacks)
            results[index] = torch.where(low == high[-1], low, IGNORE) if high else low
        return results

    def refine_several(
        self, images: Tensors, cams: Tensors, tags: Tensors, sizes: Sizes, backgrounds: Backgrounds
    ) -> list[list[Tensor]]:
        """:meth:`refine` with several background scores, one list of results for each.

        Subclasses that can share work between the backgrounds override it.
        """
        results = []
        for background in backgrounds:
            other = copy.copy(self)
            other.background = background
            results.append(other.refine(images, cams, tags, sizes))
        return results

    def seeds(
        self, cams: Tensor, size: Sequence[int], background: Background | None = None
    ) -> Tensor:
        """Scores before refinement: the background plane and the maps.

        Args:
            cams: (K,h',w') in [0,1]; K may be 0.
            size: (H,W).
            background: Background score; default: the attribute.

        Returns:
            (K+1,H,W) float32.
        """
        maps = resize_maps(cams[None].float(), size)[0]
        plane = background_plane(maps, self.background if background is None else background)
        return torch.cat([plane, maps])

    def _backgrounds(self) -> tuple[Background, ...]:
        """Background scores whose labels must agree."""
        if not self.uncertain or not isinstance(self.background, (int, float)):
            return (self.background,)
        return max(self.background - self.uncertain, 0.0), self.background + self.uncertain
