"""A step with a NaN or infinite gradient does not reach the weights."""

from functools import partial
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.optim import Optimizer

from mmwsss.registry import HOOKS


@HOOKS.register_module()
class SkipNonFiniteHook(Hook):
    """Leaves out the optimizer steps whose gradients are not finite, counts and logs them, and
    stops a run that has too many in a row.

    Gradients are those after the exchange between processes, so that all of them skip the same
    steps. Steps that the gradient scaler of fp16 leaves out by itself, as it does while it looks
    for its scale, are neither seen nor counted here.

    Args:
        limit (int): Steps left out one after the other that end the run.

    Raises:
        FloatingPointError: ``limit`` is reached.
    """

    def __init__(self, limit: int = 50) -> None:
        self.limit = limit
        self.skipped = self.in_a_row = 0
        self._handle: Any = None

    def before_train(self, runner: Runner) -> None:
        """Watch the optimizer."""
        self.skipped = self.in_a_row = 0
        self._handle = runner.optim_wrapper.optimizer.register_step_pre_hook(
            partial(self._before_step, runner)
        )

    def after_train(self, runner: Runner) -> None:
        """Leave the optimizer alone."""
        self._handle.remove()

    def _before_step(
        self, runner: Runner, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        parameters = [
            parameter
            for group in optimizer.param_groups
            for parameter in group['params']
            if parameter.grad is not None
        ]
        if (
            not parameters
            or torch.stack(torch._foreach_norm([parameter.grad for parameter in parameters]))
            .isfinite()
            .all()
        ):
            self.in_a_row = 0
            return
        self.skipped, self.in_a_row = self.skipped + 1, self.in_a_row + 1
        for parameter in parameters:  # the optimizer passes over parameters without gradient
            parameter.grad = None
        step = f'step {runner.iter + 1}'
        runner.logger.warning(
            f'{step} left out, its gradients are not finite ({self.skipped} so far)'
        )
        if self.in_a_row >= self.limit:
            raise FloatingPointError(
                f'{step}: the gradients of {self.in_a_row} steps in a row are not finite; lower '
                f'the learning rate, '
                f'or train in float32 (optim_wrapper.type=mmengine.OptimWrapper)'
            )
