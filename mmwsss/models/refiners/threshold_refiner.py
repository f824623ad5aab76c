"""No refinement: the maps are compared with a background score."""

from torch import Tensor

from mmwsss.registry import REFINERS

from .base import Refiner, Sizes, Tensors


@REFINERS.register_module(name='threshold')
class ThresholdRefiner(Refiner):
    """Stacks the unchanged maps on the background score.

    Args:
        background, uncertain: See :class:`Refiner`.
    """

    def refine(self, images: Tensors, cams: Tensors, tags: Tensors, sizes: Sizes) -> list[Tensor]:
        """See :meth:`Refiner.refine`."""
        return [self.seeds(maps, size) for maps, size in zip(cams, sizes, strict=True)]
