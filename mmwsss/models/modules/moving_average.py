"""Moving average of weights that never asks the device how many steps it has made."""

from typing import Any

import torch
from mmengine.model import ExponentialMovingAverage
from torch import nn


class MovingAverage(ExponentialMovingAverage):
    """:class:`mmengine.model.ExponentialMovingAverage` whose steps are counted on the host.

    MMEngine's reads its counter from the device in every step, and for every weight. The counter is
    read once here, at the first step and after a checkpoint was loaded, and all weights are
    averaged by one call. Averages and entries of the state are the same.

    Args:
        model (nn.Module): What is averaged.
        momentum (float): ``average <- (1 - momentum) average + momentum weight``.
    """

    def __init__(self, model: nn.Module, momentum: float) -> None:
        super().__init__(model, momentum=momentum)
        self._count: int | None = None

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Average the weights of ``model``; the first call copies them."""
        if self._count is None:
            self._count = int(self.steps)
        ours: list[torch.Tensor] = list(self.module.parameters())
        theirs: list[torch.Tensor] = list(model.parameters())
        if self._count == 0:
            torch._foreach_copy_(ours, theirs)
        else:
            torch._foreach_lerp_(ours, theirs, self.momentum)
        for average, buffer in zip(self.module.buffers(), model.buffers()):
            average.copy_(buffer)
        self.steps += 1
        self._count += 1

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        self._count = None
