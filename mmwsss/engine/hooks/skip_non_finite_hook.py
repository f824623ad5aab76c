"""Protection of the weights from NaN or infinite gradients."""

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.optim import Optimizer

from mmwsss.registry import HOOKS

FOUND_INF = 'found_inf'  # attribute that fused optimizers read and that gradient scalers also set


@HOOKS.register_module()
class SkipNonFiniteHook(Hook):
    """Skips the optimizer steps whose gradients are not finite, counts and logs them, and stops a
    run that skips too many in a row.

    Gradients are checked after the exchange between processes, so that all of them skip the same
    steps. Steps that the gradient scaler of fp16 skips while it adjusts its scale are not counted.

    A fused optimizer on an accelerator skips the step depending on a value on the device (its
    ``found_inf``), so that the host does not wait for the gradients; the counts are then read,
    logged and compared with ``limit`` only every ``interval`` iterations. Other optimizers are not
    called at all if the check of the gradients fails.

    Args:
        limit (int): Number of consecutive skipped steps that ends the run.
        interval (int): Iterations between two reads of the counts on the device.
        on_device (bool, optional): Whether to decide on the device; default: if it avoids a
            synchronisation and the optimizer is fused.

    Raises:
        FloatingPointError: ``limit`` is reached.
    """

    def __init__(
        self, limit: int = 50, *, interval: int = 50, on_device: bool | None = None
    ) -> None:
        self.limit = limit
        self.interval = interval
        self.on_device = on_device
        self.skipped = self.in_a_row = 0
        self._counts: Tensor | None = None
        self._handles: list[Any] = []

    def before_train(self, runner: Runner) -> None:
        """Wrap the optimizer."""
        self.skipped = self.in_a_row = 0
        self._counts = None
        optimizer = runner.optim_wrapper.optimizer
        self._handles = [
            optimizer.register_step_pre_hook(partial(self._before_step, runner)),
            optimizer.register_step_post_hook(self._after_step),
        ]

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | Sequence | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Read the counts from the device if it is due."""
        if self.every_n_train_iters(runner, self.interval):
            self._read_counts(runner)

    def after_train(self, runner: Runner) -> None:
        """Unwrap the optimizer."""
        for handle in self._handles:
            handle.remove()
        self._read_counts(runner)

    def _before_step(self, runner: Runner, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        everything = chain.from_iterable(group['params'] for group in optimizer.param_groups)
        parameters = [parameter for parameter in everything if parameter.grad is not None]
        if not parameters:
            self.in_a_row = 0
            return
        finite = torch.stack(torch._foreach_norm([p.grad for p in parameters])).isfinite().all()
        if self._decides_on_device(optimizer, parameters[0]):
            self._mark(optimizer, finite)
            return
        if finite:
            self.in_a_row = 0
            return
        self.skipped, self.in_a_row = self.skipped + 1, self.in_a_row + 1
        for parameter in parameters:  # the optimizer skips parameters without gradient
            parameter.grad = None
        self._report(runner, self.in_a_row)

    def _decides_on_device(self, optimizer: Optimizer, parameter: Tensor) -> bool:
        if self.on_device is not None:
            return self.on_device
        fused = all(group.get('fused') for group in optimizer.param_groups)
        return fused and parameter.device.type != 'cpu'

    def _mark(self, optimizer: Any, finite: Tensor) -> None:
        """Set the flag of a fused optimizer and count the skipped steps: total, current sequence,
        and longest sequence since the last read.
        """
        if getattr(optimizer, FOUND_INF, None) is not None:  # set by the gradient scaler
            return
        bad = (~finite).float()
        setattr(optimizer, FOUND_INF, bad)
        if self._counts is None:
            self._counts = torch.zeros(3, device=bad.device)
        skipped, row, longest = self._counts.unbind()
        row = (row + 1) * bad
        self._counts = torch.stack([skipped + bad, row, torch.maximum(longest, row)])

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self._counts is not None and hasattr(optimizer, FOUND_INF):
            delattr(optimizer, FOUND_INF)

    def _read_counts(self, runner: Runner) -> None:
        if self._counts is None:
            return
        skipped, self.in_a_row, longest = (int(count) for count in self._counts.tolist())
        self._counts[2] = 0
        new, self.skipped = skipped - self.skipped, skipped
        if new:
            self._report(runner, longest)

    def _report(self, runner: Runner, in_a_row: int) -> None:
        step = f'step {runner.iter + 1}'
        if self._counts is None:
            text = f'{step} left out, its gradients are not finite'
        else:
            text = f'until {step} steps were left out, their gradients are not finite'
        runner.logger.warning(f'{text} ({self.skipped} so far)')
        if in_a_row >= self.limit:
            raise FloatingPointError(
                f'{step}: the gradients of {in_a_row} steps in a row are not finite; lower '
                f'the learning rate, '
                f'or train in float32 (optim_wrapper.type=mmengine.OptimWrapper)'
            )
