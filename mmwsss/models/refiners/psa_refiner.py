"""The random walk of PSA as a refiner."""

from typing import Any

from mmwsss.models.affinity import AffinityNet
from mmwsss.registry import REFINERS

from .base import Background
from .walk_refiner import WalkRefiner


@REFINERS.register_module(name='psa')
class PSARefiner(WalkRefiner):
    """Random walk of a trained :class:`AffinityNet` (Ahn and Kwak, CVPR 2018).

    Args:
        network (AffinityNet): See :class:`WalkRefiner`.
        background (float | tuple): See :class:`Refiner`; 0.39 as released for MCTformer.
        options: Options of :class:`WalkRefiner`.
    """

    network_type = AffinityNet

    def __init__(
        self, network: AffinityNet, *, background: Background = 0.39, **options: Any
    ) -> None:
        super().__init__(network, background=background, **options)
