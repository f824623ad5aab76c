"""Base class of refiners that process the images of a batch one by one."""

from abc import abstractmethod

from torch import Tensor

from mmwsss.functional.cam import resize_maps

from .base import Backgrounds, Refiner, Sizes, Tensors


class PerImageRefiner(Refiner):
    """Refines every image separately at its size; several background scores share the computation
    on an image.

    A subclass implements :meth:`refine_image`.

    Args:
        background, uncertain: See :class:`Refiner`.
    """

    @abstractmethod
    def refine_image(self, image: Tensor, cams: Tensor, backgrounds: Backgrounds) -> list[Tensor]:
        """Scores of one image for each background score.

        Args:
            image (Tensor): (3,h,w) uint8 RGB.
            cams (Tensor): (K,h',w') in [0,1].
            backgrounds (Sequence[Background]): See :meth:`Refiner.seeds`.

        Returns:
            list[Tensor]: (K+1,h,w) for each background score.
        """

    def refine(self, images: Tensors, cams: Tensors, tags: Tensors, sizes: Sizes) -> list[Tensor]:
        """See :meth:`Refiner.refine`."""
        return self.refine_several(images, cams, tags, sizes, [self.background])[0]

    def refine_several(
        self, images: Tensors, cams: Tensors, tags: Tensors, sizes: Sizes, backgrounds: Backgrounds
    ) -> list[list[Tensor]]:
        """See :meth:`Refiner.refine_several`."""
        results: list[list[Tensor]] = [[] for _ in backgrounds]
        for image, maps, size in zip(images, cams, sizes, strict=True):
            refined = self.refine_image(image, maps, backgrounds)
            for result, scores in zip(results, refined, strict=True):
                result.append(resize_maps(scores[None], size)[0])
        return results
