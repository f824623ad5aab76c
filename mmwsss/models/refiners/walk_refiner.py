"""Random walks of trained affinity networks, the common part of PSA and IRN."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmwsss.functional.cam import resize_maps
from mmwsss.models.affinity.base import AffinityPropagator

from .base import Background, Refiner, Sizes, Tensors
from .batch_refiner import pad_and_stack, same_sizes
from .dense_crf import DenseCRF


class WalkRefiner(Refiner):
    """Propagates the maps with the affinities that a trained network predicts for the image.

    Args:
        network (AffinityPropagator): Network in evaluation mode, with a data preprocessor.
        background (float | tuple): See :class:`Refiner`.
        beta (float, optional): Exponent of the affinities.
        log2_steps (int, optional): The walk has 2^log2_steps steps.
        then_crf (bool): Dense CRF on the scores of the walk, normalised to sum to 1 at each pixel.
        preset (str): Preset of that CRF, see :class:`DenseCRF`.

    Raises:
        ValueError: The network is not an instance of :attr:`network_type`.
    """

    uses_network = True
    network_type: type = AffinityPropagator

    def __init__(
        self,
        network: AffinityPropagator,
        *,
        background: Background,
        beta: float | None = None,
        log2_steps: int | None = None,
        then_crf: bool = False,
        preset: str = 'psa',
    ) -> None:
        super().__init__(background=background)
        if not isinstance(network, self.network_type):
            raise ValueError(
                f'{type(self).__name__} needs an {self.network_type.__name__}, this is a '
                f'{type(network).__name__}'
            )
        self.network = network
        self.walk: dict[str, Any] = {}
        self.set_walk(beta=beta, log2_steps=log2_steps)
        self.crf = DenseCRF(preset) if then_crf else None

    def set_walk(self, **options: Any) -> None:
        """Options of the network's ``propagate``; options that are None keep their default."""
        self.walk.update({name: value for name, value in options.items() if value is not None})

    def refine(self, images: Tensors, cams: Tensors, tags: Tensors, sizes: Sizes) -> list[Tensor]:
        """See :meth:`Refiner.refine`."""
        results = [torch.empty(0)] * len(images)
        for chosen in same_sizes(images):
            pixels = torch.stack([images[index] for index in chosen])
            maps = pad_and_stack(
                [resize_maps(cams[i][None].float(), pixels.shape[-2:])[0] for i in chosen]
            )
            counts = [len(cams[index]) + 1 for index in chosen]
            scores = self._walk(pixels, maps, counts)
            for index, stack, count in zip(chosen, scores, counts, strict=True):
                results[index] = resize_maps(stack[None, :count], sizes[index])[0]
        return results

    def _walk(self, images: Tensor, maps: Tensor, counts: Sequence[int]) -> Tensor:
        """Scores (B,K+1,H,W) of images (B,3,H,W) uint8 RGB and maps (B,K,H,W)."""
        inputs = self.network.data_preprocessor(dict(inputs=list(images.flip(1))), False)['inputs']
        scores = self.network.propagate(
            inputs, maps.to(inputs.device), background=self.background, **self.walk
        ).to(maps.device)
        if self.crf is None:
            return scores
        probabilities = scores / scores.sum(1, keepdim=True).clamp_min(1e-5)
        return self.crf.refine_batch(images.permute(0, 2, 3, 1), [probabilities], counts)[0]
