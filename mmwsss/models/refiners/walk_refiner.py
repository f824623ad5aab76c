"""Random walks of trained affinity networks: what PSA and IRN share."""

from typing import Any

from torch import Tensor

from mmwsss.functional.cam import resize_maps
from mmwsss.models.affinity.base import AffinityPropagator

from .base import Background, Refiner, Sizes, Tensors
from .crf_refiner import crf_scores
from .dense_crf import DenseCRF


class WalkRefiner(Refiner):
    """Spreads the maps with the affinities that a trained network predicts for the image.

    Args:
        network (AffinityPropagator): In evaluation mode, with a data preprocessor.
        background (float | tuple): See :class:`Refiner`.
        beta (float, optional): Exponent of the affinities.
        log2_steps (int, optional): The walk has 2^log2_steps steps.
        then_crf (bool): Dense CRF on the scores of the walk, made to sum to 1 at each pixel.
        preset (str): Of that CRF, see :class:`DenseCRF`.

    Raises:
        ValueError: Another kind of network than :attr:`network_type`.
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
        """Options of the network's ``propagate``; one that is None leaves its default."""
        self.walk.update({name: value for name, value in options.items() if value is not None})

    def refine(self, images: Tensors, cams: Tensors, tags: Tensors, sizes: Sizes) -> list[Tensor]:
        """See :meth:`Refiner.refine`."""
        results = []
        for image, maps, size in zip(images, cams, sizes, strict=True):
            bgr = image.flip(0)
            inputs = self.network.data_preprocessor(dict(inputs=[bgr]), False)['inputs'][0]
            maps = resize_maps(maps[None].float(), image.shape[-2:])[0]
            scores = self.network.propagate(
                inputs, maps.to(inputs.device), background=self.background, **self.walk
            ).to(maps.device)
            if self.crf is not None:
                probabilities = scores / scores.sum(0).clamp_min(1e-5)
                (scores,) = crf_scores(self.crf, image, [probabilities])
            results.append(resize_maps(scores[None], size)[0])
        return results
