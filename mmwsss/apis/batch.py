"""The total batch of a training run: the published one, independent of the number of processes.

``total_batch_size`` of a config counts all processes and accumulated steps together. Learning rate,
number of updates and schedule are tuned for it; the batch of one process follows from it.
"""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from mmengine.config import Config

from mmwsss.models.algorithms import SingleStage
from mmwsss.registry import MODELS

# environment variable with the number of processes, by launcher
PROCESSES = dict(pytorch='WORLD_SIZE', slurm='SLURM_NTASKS', mpi='OMPI_COMM_WORLD_SIZE')
ACCUMULATION = 'optim_wrapper.accumulative_counts'
BATCH = 'train_dataloader.batch_size'


class BatchPlan(NamedTuple):
    """Batch of a training run, its division among processes, and the batch of its recipe.

    Attributes:
        total: Number of images per update.
        processes: Number of processes.
        accumulation: Number of steps per update.
        per_process: Number of images per step of one process.
        lr: Learning rate of the optimizer, before schedules and multipliers of layers.
        recipe_total: ``total_batch_size`` of the config; None if it has none.
        recipe_lr: Learning rate of the config.
        note: Changes requested on the command line; empty if there are none.
    """

    total: int
    processes: int
    accumulation: int
    per_process: int
    lr: float
    recipe_total: int | None
    recipe_lr: float
    note: str = ''


def count_processes(launcher: str) -> int:
    """Number of processes that a launcher started.

    Args:
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
    """
    return 1 if launcher == 'none' else int(os.environ.get(PROCESSES[launcher], 1))


def plan_batch(
    config: Config,
    recipe: Config,
    *,
    processes: int,
    options: Mapping[str, Any] | None = None,
    batch_size_per_gpu: int | None = None,
    auto_scale_lr: bool = False,
) -> BatchPlan:
    """Divide the total batch among processes and accumulated steps, and write the result into the
    config.

    An explicit batch of one process (``batch_size_per_gpu``, an override of
    ``train_dataloader.batch_size``, or a config whose batch does not match its total) is kept, as
    is the learning rate, unless ``auto_scale_lr`` scales it by the change of the total.

    Args:
        config: Config with the overrides; changed in place.
        recipe: The same config without overrides.
        processes: Number of processes.
        options: Overrides of the command line.
        batch_size_per_gpu: Number of images per step of one process.
        auto_scale_lr: Keep the batch of each process and scale the learning rate.

    Raises:
        ValueError: The total cannot be divided, or contradicts an override. The message lists the
            remedies.
    """
    options = options or {}
    wrapper = config.optim_wrapper
    accumulation = wrapper.get('accumulative_counts', 1)
    own = config.train_dataloader.batch_size
    total = config.get('total_batch_size')
    note = ''
    if batch_size_per_gpu is not None or auto_scale_lr:
        per_process = own if batch_size_per_gpu is None else batch_size_per_gpu
        note = '--auto-scale-lr' if auto_scale_lr else '--batch-size-per-gpu'
        if auto_scale_lr:
            _scale_by(config, accumulation, total)
    elif total is None or _is_changed(recipe, options):
        per_process, note = own, f'{BATCH}={own} of each process'
        made = own * processes * accumulation
        if 'total_batch_size' in options and made != total:
            raise ValueError(
                f'{config.filename}: total_batch_size={total}, but {BATCH}={own} makes {made} with '
                f'{processes} processes and {accumulation} accumulated steps; leave one of them out'
            )
    else:
        per_process = _divide(config, total, processes, accumulation)
    config.train_dataloader.batch_size = per_process
    made = per_process * processes * accumulation
    lr, base = wrapper.optimizer.get('lr', 0.0), config.get('auto_scale_lr', {})
    if auto_scale_lr:
        lr *= per_process * processes / base['base_batch_size']
    if not note:
        _keep_updates(config, recipe, options)
    return BatchPlan(
        made,
        processes,
        accumulation,
        per_process,
        lr,
        recipe.get('total_batch_size'),
        recipe.optim_wrapper.optimizer.get('lr', 0.0),
        '' if made == total and not auto_scale_lr else note,
    )


def count_updates(config: Config, steps_per_epoch: int) -> int:
    """Number of weight updates in a training run.

    Args:
        config: Config with the loop and the accumulation.
        steps_per_epoch: Length of the data loader of one process.
    """
    loop = config.train_cfg
    steps = loop.get('max_iters') or loop.get('max_epochs', 0) * steps_per_epoch
    return steps // config.optim_wrapper.get('accumulative_counts', 1)


def recipe_updates(recipe: Config, num_images: int) -> int:
    """Number of updates of a training run in one process, according to its config.

    Args:
        recipe: The config without overrides.
        num_images: Number of images of the training set.
    """
    loader = recipe.train_dataloader
    accumulation = recipe.optim_wrapper.get('accumulative_counts', 1)
    batch = recipe.get('total_batch_size', loader.batch_size * accumulation) / accumulation
    steps = num_images / batch
    return count_updates(recipe, int(steps) if loader.get('drop_last') else -int(-steps // 1))


def summary_lines(plan: BatchPlan, updates: int, published: int) -> list[str]:
    """First lines of the log of a training run.

    Args:
        plan: Batch of the run.
        updates: Number of updates of the run.
        published: Number of updates of the recipe.
    """
    total = 'none' if plan.recipe_total is None else plan.recipe_total
    return [
        f'total batch {plan.total} (recipe: {total}) = {plan.per_process} images x '
        f'{plan.processes} processes x {plan.accumulation} accumulated steps',
        f'updates {updates} (recipe: {published})',
        f'learning rate {plan.lr:.6g} (recipe: {plan.recipe_lr:.6g}), before schedule and '
        f'multipliers of layers',
    ]


def _is_changed(recipe: Config, options: Mapping[str, Any]) -> bool:
    """Whether the batch of one process was chosen explicitly."""
    wrapper, total = recipe.optim_wrapper, recipe.get('total_batch_size')
    made = recipe.train_dataloader.batch_size * wrapper.get('accumulative_counts', 1)
    return BATCH in options or (made != total and 'total_batch_size' not in options)


def _divide(config: Config, total: int, processes: int, accumulation: int) -> int:
    per_process, rest = divmod(total, processes * accumulation)
    if not rest and per_process:
        return per_process
    fitting = [str(n) for n in range(1, total + 1) if total % (n * accumulation) == 0]
    raise ValueError(
        f'{config.filename}: total_batch_size={total} cannot be divided by {processes} processes '
        f'x {accumulation} accumulated steps: use {" or ".join(fitting) or "no"} processes, '
        f'another {ACCUMULATION}, or one of the explicit ways out: --batch-size-per-gpu N keeps '
        f'the learning rate, --auto-scale-lr scales it with the batch'
    )


def _scale_by(config: Config, accumulation: int, total: int | None) -> None:
    """Let MMEngine scale the learning rate; it counts one step of all processes."""
    base = config.get('auto_scale_lr', {}).get('base_batch_size') if total is None else total
    if base is None:
        raise ValueError(
            f'{config.filename}: --auto-scale-lr needs total_batch_size in the config, the batch '
            f'that its learning rate belongs to'
        )
    config.auto_scale_lr = dict(enable=True, base_batch_size=base / accumulation)


def _keep_updates(config: Config, recipe: Config, options: Mapping[str, Any]) -> None:
    """Adapt a changed accumulation, so that the number of updates and the schedule stay the same.

    Loops by epoch need no change. In loops by iteration every count of iterations is multiplied,
    except for those given on the command line.
    """
    before = recipe.optim_wrapper.get('accumulative_counts', 1)
    after = config.optim_wrapper.get('accumulative_counts', 1)
    loop = config.train_cfg
    if before == after or not loop.get('max_iters'):
        return
    kind = MODELS.get(config.model.type)
    counts_steps = kind is not None and issubclass(kind, SingleStage)
    if after % before or counts_steps:
        raise ValueError(
            f'{config.filename}: {ACCUMULATION}={after} changes the meaning of the iterations that '
            f'this config counts; use fewer images in each process with another number of '
            f'processes, or --batch-size-per-gpu'
        )
    factor = after // before
    hooks = config.get('default_hooks', {})
    counts = [('train_cfg', loop, name) for name in ('max_iters', 'val_begin', 'val_interval')]
    for index, schedule in enumerate(config.get('param_scheduler') or []):
        if not schedule.get('by_epoch', True):
            place = f'param_scheduler.{index}'
            counts += [(place, schedule, 'begin'), (place, schedule, 'end')]
    counts += [
        (f'default_hooks.{hook}', hooks[hook], 'interval')
        for hook in ('checkpoint', 'logger')
        if hook in hooks
    ]
    for place, node, name in counts:
        if node.get(name) and f'{place}.{name}' not in options:
            node[name] *= factor
