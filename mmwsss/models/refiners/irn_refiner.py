"""The random walk of IRN as a refiner."""

from mmwsss.models.affinity import IRNet
from mmwsss.registry import REFINERS

from .walk_refiner import WalkRefiner


@REFINERS.register_module(name='irn')
class IRNRefiner(WalkRefiner):
    """Random walk of a trained :class:`IRNet` up to its class boundaries (Ahn, Cho and Kwak, CVPR
    2019).

    Args:
        network (IRNet): See :class:`WalkRefiner`.
        background (float): Constant background score.
        beta, log2_steps, radius, flip (optional): See :meth:`IRNet.propagate`.
        then_crf, preset: See :class:`WalkRefiner`.
    """

    network_type = IRNet

    def __init__(
        self,
        network: IRNet,
        *,
        background: float = 0.25,
        beta: float | None = None,
        log2_steps: int | None = None,
        radius: int | None = None,
        flip: bool | None = None,
        then_crf: bool = False,
        preset: str = 'psa',
    ) -> None:
        super().__init__(
            network,
            background=background,
            walk=dict(beta=beta, log2_steps=log2_steps, radius=radius, flip=flip),
            then_crf=then_crf,
            preset=preset,
        )
