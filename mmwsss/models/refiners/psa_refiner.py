"""The random walk of PSA as a refiner."""

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
        beta, log2_steps (optional): See :meth:`AffinityNet.propagate`.
        then_crf, preset: See :class:`WalkRefiner`.
    """

    network_type = AffinityNet

    def __init__(
        self,
        network: AffinityNet,
        *,
        background: Background = 0.39,
        beta: float | None = None,
        log2_steps: int | None = None,
        then_crf: bool = False,
        preset: str = 'psa',
    ) -> None:
        super().__init__(
            network,
            background=background,
            walk=dict(beta=beta, log2_steps=log2_steps),
            then_crf=then_crf,
            preset=preset,
        )
