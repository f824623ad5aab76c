"""Construction of the runner for all tools."""

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_distributed
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import distributed
from torch.utils.data import DataLoader, Dataset

from mmwsss.checkpoints.released_weights import accept_released_weights
from mmwsss.engine.hooks import LossScheduleHook, TeacherEMAHook
from mmwsss.engine.runner import WSSSRunner
from mmwsss.engine.terminal_log import shorten_terminal_lines
from mmwsss.models.algorithms.base import TagClassifier

from .config import build_errors_named
from .speed import prepare_network

# method of an algorithm -> the hook that calls it in training
NEEDED_HOOKS = dict(
    update_schedule=LossScheduleHook,
    update_teacher=TeacherEMAHook,
    update_thresholds=TeacherEMAHook,
)
TIMEOUT_S = 1800  # time limit for a process that does not respond; env_cfg.dist_cfg.timeout
LOOPS = {'train': ('train_loop', 'val_loop'), 'test': ('test_loop',), None: ()}


def image_loader(dataset: Dataset, num_workers: int = 0) -> DataLoader:
    """Loader of all images of a data set, one by one; of several processes, each loads those of
    its :meth:`mmwsss.utils.processes.Processes.share`.
    """
    sampler = dict(type='DefaultSampler', shuffle=False, round_up=False)
    return Runner.build_dataloader(
        dict(batch_size=1, num_workers=num_workers, dataset=dataset, sampler=sampler)
    )


def build_runner(config: Config, loop: str | None = None) -> WSSSRunner:
    """Build a runner with the components that it is going to run, so that a mistake in the config
    is found before anything is computed.

    Args:
        config (Config): Config from :func:`load_config`.
        loop (str, optional): ``'train'``: data sets, loops and optimizer of training and
            validation; ``'test'``: those of testing; None: only the model.

    Returns:
        WSSSRunner

    Raises:
        FileNotFoundError: Data is missing.
        ValueError: A component or option is unknown, the number of classes differs from the data,
            there are fewer images than in a batch, or the crops are not divisible by the patch
            size. The message names the config.
    """
    file = config.filename or 'config'
    if config.launcher == 'pytorch' and not is_distributed():
        if 'RANK' not in os.environ:
            raise ValueError(
                '--launcher pytorch is for processes that torchrun starts: use '
                'tools/dist_train.sh or tools/dist_test.sh'
            )
        if get_device() == 'cpu':  # MMEngine requires a GPU
            seconds = config.get('env_cfg', {}).get('dist_cfg', {}).get('timeout', TIMEOUT_S)
            distributed.init_process_group('gloo', timeout=timedelta(seconds=int(seconds)))
    with build_errors_named(config):
        runner = WSSSRunner.from_cfg(config)
        # for `load_from`
        accept_released_weights(
            runner.model.module if is_model_wrapper(runner.model) else runner.model
        )
        prepare_network(runner.model, config.get('speed'))
        if loop == 'train':
            _check_hooks(runner, file)
            _check_batches(runner.train_loop.dataloader, file)
            _check_crops(runner.model, config.train_dataloader.dataset, file)
            runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        loops = [getattr(runner, name) for name in LOOPS[loop]]
    for built in filter(None, loops):
        _check_classes(runner.model, built.dataloader.dataset, file)
    shorten_terminal_lines(runner.logger)
    runner.announce()
    return runner


def _check_hooks(runner: WSSSRunner, file: str) -> None:
    """Reject a teacher that is never updated, which would only be visible in the results."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    for method, kind in NEEDED_HOOKS.items():
        if hasattr(model, method) and not any(isinstance(hook, kind) for hook in runner.hooks):
            raise ValueError(
                f'{file}: {type(model).__name__} has {method}(), which nothing calls: add '
                f"dict(type='mmwsss.{kind.__name__}') to custom_hooks"
            )


def _check_batches(dataloader: Any, file: str) -> None:
    if len(dataloader) == 0:
        raise ValueError(
            f'{file}: the training set has {len(dataloader.dataset)} images, fewer than a batch: '
            f'lower train_dataloader.batch_size, or set train_dataloader.drop_last=False'
        )


def _check_crops(model: Any, dataset: Any, file: str) -> None:
    """Reject crops whose sides are not multiples of the patch size, because the remainder would be
    ignored in every step.
    """
    model = model.module if is_model_wrapper(model) else model
    backbone = getattr(model, 'backbone', None)
    patch = getattr(backbone, 'patch_size', 1)
    if getattr(backbone, 'has_stem', False) or getattr(backbone, 'pad_to_patch', False):
        return
    for side in _crop_sides(dataset):
        if side % patch:
            below = side // patch * patch
            raise ValueError(
                f'{file}: patches of {patch} pixels do not divide the crop of {side} of '
                f'train_dataloader.dataset: choose {below or patch} or {below + patch}'
            )


def _crop_sides(node: Any) -> Iterator[int]:
    """Sides of all crops in a data set's config."""
    if isinstance(node, Mapping):
        size = node.get('crop_size')
        if str(node.get('type')).endswith('RandomResizedCrop'):
            size = node.get('scale')
        yield from (size,) if isinstance(size, int) else size or ()
        for value in node.values():
            yield from _crop_sides(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _crop_sides(value)


def _check_classes(model: Any, dataset: Any, file: str) -> None:
    """Reject a wrong number of classes, which would cause an index error inside a loss, or no error
    at all.
    """
    model = model.module if is_model_wrapper(model) else model
    classes = dataset.metainfo.get('classes')
    if classes is None or not hasattr(model, 'num_classes'):
        return
    without = isinstance(model, TagClassifier)
    expected = len(classes) - without
    if model.num_classes != expected:
        raise ValueError(
            f'{file}: the model has {model.num_classes} classes, the data set {expected} '
            f'({"without" if without else "with"} background): set num_classes of the config'
        )
