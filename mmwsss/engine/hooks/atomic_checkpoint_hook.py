"""Checkpoints that survive a killed process and a full disk."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_distributed, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import distributed

from mmwsss.engine.hooks.metrics_file_hook import MetricsFileHook
from mmwsss.registry import HOOKS
from mmwsss.utils.checkpoint_files import POINTER
from mmwsss.utils.io import atomic_open, remove_leftovers

OUTDATED = 'outdated_ckpts'
OPEN_GRADIENTS = 'open_gradients'


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """:class:`mmengine.hooks.CheckpointHook` whose order of operations leaves a complete checkpoint
    and a valid ``last_checkpoint`` at every moment.

    A checkpoint is written next to the old one and flushed to the disk before it is renamed; then
    the pointer is replaced in the same way; only then the outdated checkpoint and the previous best
    one are removed. Files that a kill between these steps leaves behind are removed when the run is
    resumed. The disk therefore needs space for one checkpoint more than ``max_keep_ckpts``.

    A run that was stopped during a validation, including the final one, repeats that validation
    before training continues. The gradients of an unfinished group of accumulated iterations are
    part of the checkpoint.

    Args:
        interval, by_epoch, max_keep_ckpts, save_best, rule, ...: As in the parent.
    """

    keep_ckpt_ids: Any
    file_backend: Any

    def before_train(self, runner: Runner) -> None:
        """Clean up after a killed run, restore unfinished gradients, and repeat an interrupted
        validation.
        """
        super().before_train(runner)
        if is_main_process():
            source = getattr(runner, 'resumed_from', None)
            if source and Path(source).resolve().parent == Path(self.out_dir).resolve():
                self._remove(runner, runner.message_hub.runtime_info.get(OUTDATED, []))
            for name in remove_leftovers(self.out_dir):
                runner.logger.info(f'removed {name}, which a killed process left unfinished')
        if runner.iter and getattr(runner, 'resumed_from', None) and _owes_validation(runner):
            runner.logger.info(
                f'the validation of iteration {runner.iter} was not finished: validating first'
            )
            runner.val_loop.run()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Restore the gradients of an unfinished group."""
        states = checkpoint.pop(OPEN_GRADIENTS, None)
        if states is None or not runner._resume:
            return
        if len(states) != runner.world_size:
            runner.logger.warning(
                f'the checkpoint was saved by {len(states)} processes inside a group of '
                f'accumulated iterations; {runner.world_size} start that group again'
            )
            return
        for name, parameter in _model(runner).named_parameters():
            if name in states[runner.rank]:
                parameter.grad = states[runner.rank][name].to(parameter)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Store the gradients of an unfinished group."""
        if self._gradients is not None:
            checkpoint[OPEN_GRADIENTS] = self._gradients

    _gradients: list[dict[str, torch.Tensor]] | None = None

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Write the checkpoint, replace the pointer and remove old files, in this order."""
        outdated = list(self._outdated)
        if self.max_keep_ckpts > 0:
            kept = [number for number in self.keep_ckpt_ids if number != step] + [step]
            outdated += [self.filename_tmpl.format(old) for old in kept[: -self.max_keep_ckpts]]
            self.keep_ckpt_ids = deque(kept[-self.max_keep_ckpts :], self.max_keep_ckpts)
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        runner.message_hub.update_info(OUTDATED, outdated)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        self._gradients = _open_gradients(runner)
        try:
            runner.save_checkpoint(
                self.out_dir,
                name,
                self.file_client_args,
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                by_epoch=self.by_epoch,
                backend_args=self.backend_args,
                **self.args,
            )
        finally:
            self._gradients = None
        if is_main_process():
            pointer = Path(runner.work_dir) / POINTER
            with atomic_open(pointer, 'w', durable=True, encoding='utf-8') as file:
                file.write(str(self.last_ckpt))
            self._remove(runner, outdated)

    _outdated: Sequence[str] = ()

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """As the parent, except that the previous best checkpoint is removed last instead of
        first.
        """
        if not self.save_best:
            return
        backend, removals = self.file_backend, _Removals(self.file_backend)
        self.file_backend = removals
        self._outdated = removals.names  # filled by the parent before it saves the last one again
        try:
            super()._save_best_checkpoint(runner, metrics)
        finally:
            self.file_backend, self._outdated = backend, ()
        if is_main_process():
            self._remove(runner, removals.names)

    def _remove(self, runner: Runner, names: Any) -> None:
        """Remove checkpoints of this run by their bare names; all but those in use."""
        used = {
            Path(str(value)).name
            for key, value in runner.message_hub.runtime_info.items()
            if key == 'last_ckpt' or key.startswith('best_ckpt')
        }
        for name in names:
            bare = Path(str(name)).name
            path = self.file_backend.join_path(self.out_dir, bare)
            if bare not in used and self.file_backend.isfile(path):
                self.file_backend.remove(path)


class _Removals:
    """File backend that only records the files to be removed."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.names: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        """Record the file."""
        self.names.append(Path(path).name)


def _owes_validation(runner: Runner) -> bool:
    """Whether the loop validates at the iteration of the checkpoint and has no complete result for
    it.
    """
    loop = runner.train_loop
    if runner.val_loop is None:
        return False
    step, last = (
        (loop.epoch, loop.max_epochs)
        if isinstance(loop, EpochBasedTrainLoop)
        else (loop.iter, loop.max_iters)
    )
    loop._decide_current_val_interval()
    due = step >= loop.val_begin and (step % loop.val_interval == 0 or step >= last)
    writers = [hook for hook in runner.hooks if isinstance(hook, MetricsFileHook)]
    return due and not (writers and all(hook.is_written(runner) for hook in writers))


def _open_gradients(runner: Runner) -> list[dict[str, torch.Tensor]] | None:
    """Gradients of every process inside a group of accumulated iterations; None outside such a
    group.

    All processes call this; only the first one receives the gradients of all.
    """
    wrapper = runner.optim_wrapper
    count = getattr(wrapper, '_accumulative_counts', 1)
    if count == 1 or wrapper.should_update():
        return None
    own = {
        name: parameter.grad.detach().cpu()
        for name, parameter in _model(runner).named_parameters()
        if parameter.grad is not None
    }
    if not is_distributed():
        return [own]
    states: list[Any] | None = [None] * runner.world_size if runner.rank == 0 else None
    distributed.gather_object(own, states)
    return states


def _model(runner: Runner) -> torch.nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
