"""The random walk of IRN as a refiner."""

from typing import Any

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
        radius, flip (optional): See :meth:`IRNet.propagate`.
        options: Options of :class:`WalkRefiner`.
    """

    network_type = IRNet

    def __init__(
        self,
        network: IRNet,
        *,
        background: float = 0.25,
        radius: int | None = None,
        flip: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__(network, background=background, **options)
        self.set_walk(radius=radius, flip=flip)
