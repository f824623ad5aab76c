"""State of an algorithm that changes once per training step."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmwsss.registry import HOOKS

UPDATES = ('update_teacher', 'update_thresholds')


@HOOKS.register_module()
class TeacherEMAHook(Hook):
    """Calls ``update_teacher()`` and ``update_thresholds()`` of the algorithm, as far as it has
    them, after every training iteration: after the optimizer, before checkpoints and validation.

    The averages and thresholds themselves are part of the algorithm, and so of its checkpoints; its
    ``loss`` leaves them as they are.
    """

    priority = 'VERY_HIGH'

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Update what belongs to the finished step."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for name in UPDATES:
            if hasattr(model, name):
                getattr(model, name)()
