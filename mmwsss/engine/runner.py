"""The runner of all tools, which extends MMEngine's by exact resuming without executing code of
checkpoints.
"""

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine.device import get_device
from mmengine.dist import broadcast_object_list
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmengine.runner.checkpoint import _load_checkpoint, _load_checkpoint_to_model

from mmwsss.checkpoints.wrapped import check_finite_weights, state_of
from mmwsss.engine.batch_images import note_images
from mmwsss.engine.held_log import HeldLog
from mmwsss.engine.resume import (
    apply_hyperparameters,
    changed_settings,
    describe_changes,
    fast_forward,
)
from mmwsss.utils.checkpoint_files import newest_checkpoint
from mmwsss.utils.cli_options import format_option
from mmwsss.utils.memory import memory_errors_named

PLAIN_CHECKPOINT_HOOKS = ('CheckpointHook', 'mmengine.CheckpointHook')
LESS_TRAINING_MEMORY = (
    'use fewer images of a process (--batch-size-per-gpu, or more accumulated steps), half '
    'precision (--amp) or smaller crops'
)
LESS_TEST_MEMORY = (
    'use --batch-size 1, fewer scales, or smaller images '
    '(--cfg-options test_dataloader.dataset.max_side=1024)'
)
BATCH_HOOKS = ('before_train_iter', 'before_val_iter', 'before_test_iter')


class WSSSRunner(Runner):
    """:class:`mmengine.runner.Runner` that resumes an interrupted run exactly.

    - ``resume=True`` uses the newest complete checkpoint of the work directory and logs its name;
      without a checkpoint it logs this and starts from the beginning.
    - The config in a checkpoint is compared as text and never executed.
    - Learning rate, schedule, weight decay and momentum of the resumed run are those of the current
      config, and every difference is logged.
    - A validation that was interrupted is repeated first
      (:class:`~mmwsss.engine.hooks.AtomicCheckpointHook`).
    - Checkpoints are written by :class:`~mmwsss.engine.hooks.AtomicCheckpointHook` also if a config
      keeps MMEngine's default.
    - The images of the current batch are attached to an exception
      (:func:`~mmwsss.engine.batch_images.note_images`).
    """

    optim_wrapper: Any
    param_schedulers: Any

    resumed_from: str | None = None
    _batch: Any = None
    _begun = False

    def dump_config(self) -> None:
        """As the parent, but only after the first batch has been loaded, so that a run that fails
        earlier leaves no config behind.
        """
        if self._begun:
            super().dump_config()

    def build_logger(self, *args: Any, **options: Any) -> MMLogger:
        """As the parent; log messages are held back until :meth:`announce`."""
        logger = super().build_logger(*args, **options)
        self._held = HeldLog(logger)
        return logger

    def announce(self) -> None:
        """Log the messages that were held back while the runner was built."""
        self._held.release()

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        """As the parent, with :class:`~mmwsss.engine.hooks.AtomicCheckpointHook` as the checkpoint
        hook.
        """
        hooks = dict(hooks or {})
        checkpoint = hooks.get('checkpoint', dict(interval=1))
        if isinstance(checkpoint, Mapping):
            checkpoint = dict(checkpoint)
            if checkpoint.get('type', 'CheckpointHook') in PLAIN_CHECKPOINT_HOOKS:
                checkpoint.pop('_scope_', None)
                checkpoint['type'] = 'mmwsss.AtomicCheckpointHook'
            hooks['checkpoint'] = checkpoint
        super().register_default_hooks(hooks)

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """As the parent; stores the current batch."""
        if fn_name in BATCH_HOOKS:
            self._batch = kwargs.get('data_batch')
            if not self._begun:
                self._begun = True
                self.dump_config()
        super().call_hook(fn_name, **kwargs)

    def train(self) -> Any:
        """As the parent.

        Raises:
            ValueError: The memory is exhausted. The message says how to reduce its use.
        """
        return self._with_images(super().train, 'training', LESS_TRAINING_MEMORY)

    def test(self) -> dict:
        """As the parent.

        Raises:
            ValueError: The memory is exhausted. The message says how to reduce its use.
        """
        return self._with_images(super().test, 'testing', LESS_TEST_MEMORY)

    def _with_images(self, run: Callable[[], Any], what: str, remedy: str) -> Any:
        self.announce()
        try:
            with memory_errors_named(what, remedy):
                return run()
        except Exception as error:
            note_images(error, self._batch)
            raise

    def load_or_resume(self) -> None:
        """Load weights, or resume from a checkpoint, by ``load_from`` and ``resume``."""
        if self._has_loaded or not (self._resume and self._load_from is None):
            super().load_or_resume()
            return
        found: list[Any] = [newest_checkpoint(self.work_dir) if self.rank == 0 else None]
        broadcast_object_list(found)  # all processes resume from the same checkpoint
        path, notes = found[0]
        for note in notes:
            self.logger.warning(note)
        if path is None:
            self.logger.warning(
                f'--resume: nothing to resume in {self.work_dir}, it holds no whole checkpoint; '
                'training starts from the beginning'
            )
        else:
            self.resume(path)

    def load_checkpoint(
        self,
        filename: str,
        map_location: str | Callable = 'cpu',
        strict: bool = False,
        revise_keys: list = [(r'^module.', '')],  # noqa: B006  the parent's signature
    ) -> dict:
        """As the parent.

        Raises:
            FileNotFoundError: The file does not exist.
            ValueError: The file is not a checkpoint, is damaged, or belongs to another network. The
                message names the file.
        """
        try:
            checkpoint = _load_checkpoint(filename, map_location=map_location)
            state_of(checkpoint)  # rejects a file without weights
            self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
            model: Any = getattr(self.model, 'module', self.model)
            checkpoint = _load_checkpoint_to_model(
                model, checkpoint, strict, revise_keys=revise_keys
            )
            check_finite_weights(model, filename)
        except FileNotFoundError as error:
            raise FileNotFoundError(f'{filename}: checkpoint not found') from error
        except ValueError as error:
            message = str(error)
            raise ValueError(
                message if str(filename) in message else f'{filename}: {message}'
            ) from error
        self._has_loaded = True
        self.logger.info(f'Load checkpoint from {filename}')
        return checkpoint

    def resume(
        self,
        filename: str,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: str | Callable = 'default',
    ) -> None:
        """Resume from a checkpoint of a training run.

        Weights, state of the optimizer (moments, counters), position in the schedule, seed and logs
        are those of the checkpoint. Learning rate, schedule, weight decay, momentum and all other
        hyperparameters are those of the config; the schedule is evaluated at the resumed step, so
        that a run with an unchanged config continues bit by bit.

        Args:
            filename (str): Checkpoint.
            resume_optimizer, resume_param_scheduler (bool): False resets them.
            map_location: As in :func:`torch.load`.

        Raises:
            FileNotFoundError: The file does not exist.
            ValueError: The file is damaged, contains only weights, or belongs to another network or
                optimizer. The message names the file and the remedy.
        """
        device = get_device() if map_location == 'default' else map_location
        checkpoint = self.load_checkpoint(filename, map_location=device)
        meta = checkpoint.get('meta')
        if (
            not isinstance(meta, dict)
            or not isinstance(meta.get('epoch'), int)
            or not isinstance(meta.get('iter'), int)
            or not isinstance(checkpoint.get('message_hub'), dict)
        ):
            raise ValueError(
                f'{filename}: holds weights but no state of a training, so --resume cannot go on '
                f'from it; start a training from these weights with --cfg-options '
                f'{shlex.quote(format_option("load_from", str(filename)))}'
            )
        self.train_loop._epoch, self.train_loop._iter = meta['epoch'], meta['iter']
        self._resume_seed(meta)
        self.message_hub.load_state_dict(checkpoint['message_hub'])
        changes = changed_settings(meta.get('cfg'), self.cfg)
        self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
        if self.param_schedulers is not None:
            self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
        notes = describe_changes(changes or {})
        if resume_optimizer and 'optimizer' in checkpoint:
            # evaluating a schedule takes seconds, hence only if its result can differ
            fresh = changes is None or bool(changes) or self._scales_rate()
            notes += self._resume_optimizer(
                checkpoint, filename, fresh=fresh, schedule=resume_param_scheduler
            )
        self.resumed_from = str(filename)
        self._has_loaded = True
        self.logger.info(f'resumed epoch: {self.epoch}, iter: {self.iter}, from {filename}')
        if notes:
            self.logger.warning(
                f'--resume: the config differs from that of {Path(filename).name}, and counts '
                f'from here on: {"; ".join(notes)}'
            )

    def _resume_seed(self, meta: dict) -> None:
        seed, own = meta.get('seed'), self._randomness_cfg.get('seed')
        if seed is None or seed == own:
            return
        self.logger.warning(
            f'--resume: the seed {seed} of the checkpoint counts, not {own} of the config; start a '
            'new training for another seed'
        )
        self._randomness_cfg.update(seed=seed)
        self.set_randomness(**self._randomness_cfg)

    def _scales_rate(self) -> bool:
        scale = self.auto_scale_lr
        return bool(isinstance(scale, Mapping) and scale.get('enable'))

    def _resume_optimizer(
        self, checkpoint: dict, filename: str, *, fresh: bool, schedule: bool
    ) -> list[str]:
        """Combine the state of the checkpoint with the hyperparameters of the config; returns the
        differences.
        """
        schedulers = self.param_schedulers if isinstance(self.param_schedulers, list) else []
        several = not isinstance(self.optim_wrapper, OptimWrapper)
        waits = any(getattr(scheduler, 'need_val_args', False) for scheduler in schedulers)
        fresh = fresh and schedule and not several and not waits
        expected = []
        if fresh:
            fast_forward(schedulers, self.iter, self.epoch)
            expected = list(map(_hyperparameters, self.optim_wrapper.param_groups))
            self._check_optimizer(checkpoint['optimizer'], expected, filename)
        try:
            self.optim_wrapper.load_state_dict(checkpoint['optimizer'])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(_other_optimizer(filename, str(error))) from error
        if schedule and not fresh:
            self._resume_schedulers(checkpoint)
        return apply_hyperparameters(self.optim_wrapper.param_groups, expected)

    @staticmethod
    def _check_optimizer(state: dict, expected: list[dict], filename: str) -> None:
        """Reject another type of optimizer, which has other hyperparameters and moments."""
        groups = state.get('param_groups') or [{}]
        names = {key for key in groups[0] if not key.startswith('initial_')} - {'params'}
        wanted = {key for key in expected[0] if not key.startswith('initial_')}
        if names - wanted and wanted - names:
            raise ValueError(
                _other_optimizer(
                    filename,
                    f'it has {", ".join(sorted(names - wanted))}, '
                    f'the config sets {", ".join(sorted(wanted - names))}',
                )
            )

    def _resume_schedulers(self, checkpoint: dict) -> None:
        if self.param_schedulers is None or 'param_schedulers' not in checkpoint:
            return
        states = checkpoint['param_schedulers']
        pairs = (
            [(self.param_schedulers[name], states[name]) for name in self.param_schedulers]
            if isinstance(self.param_schedulers, dict)
            else [(self.param_schedulers, states)]
        )
        for schedulers, their_states in pairs:
            for scheduler, state in zip(schedulers, their_states):
                scheduler.load_state_dict(state)


def _other_optimizer(filename: str, problem: str) -> str:
    return (
        f'{filename}: its optimizer does not fit that of the config ({problem}); resume with the '
        f'optimizer it was saved with, or start a training from its weights with --cfg-options '
        f'{shlex.quote(format_option("load_from", str(filename)))}'
    )


def _hyperparameters(group: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a parameter group of an optimizer, such as its learning rate."""
    return {key: value for key, value in group.items() if key != 'params'}
