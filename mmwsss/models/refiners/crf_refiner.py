"""Dense CRF on class activation maps."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmwsss.registry import REFINERS

from .base import Background
from .batch_refiner import BatchRefiner
from .dense_crf import DenseCRF


@REFINERS.register_module(name='crf')
class CRFRefiner(BatchRefiner):
    """:class:`DenseCRF` on the background score and the maps, at the size of the image.

    Args:
        preset (str, optional): Published settings, see :class:`DenseCRF`.
        num_iters, gauss, bilateral, prune, backend: See :class:`DenseCRF`.
        background, uncertain: See :class:`Refiner`.
    """

    def __init__(
        self,
        preset: str | None = 'psa',
        *,
        num_iters: int | None = None,
        gauss: Sequence[float] | None = None,
        bilateral: Sequence[float] | None = None,
        prune: float | None = None,
        backend: str = 'auto',
        background: Background = 0.4,
        uncertain: float = 0.0,
    ) -> None:
        super().__init__(background=background, uncertain=uncertain)
        self.crf = DenseCRF(
            preset, num_iters, gauss=gauss, bilateral=bilateral, prune=prune, backend=backend
        )

    def refine_batch(
        self, images: Tensor, stacks: Sequence[Tensor], counts: Sequence[int]
    ) -> list[Tensor]:
        """See :meth:`BatchRefiner.refine_batch`; the scores are marginals, which sum to 1. The
        kernels of an image are built once.
        """
        return self.crf.refine_batch(images.permute(0, 2, 3, 1), stacks, counts)


def crf_scores(crf: DenseCRF, image: Tensor, stacks: Sequence[Tensor]) -> list[Tensor]:
    """Marginals (K,H,W) of several score maps (K,H,W) of one image (3,H,W) uint8 RGB."""
    return [torch.as_tensor(scores) for scores in crf.refine_many(image.permute(1, 2, 0), stacks)]
