"""Moving averages of weights after each training step."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmwsss.registry import HOOKS


@HOOKS.register_module()
class TeacherEMAHook(Hook):
    """Calls ``update_teacher()`` of the algorithm after every training iteration: after the
    optimizer, before checkpoints and validation.

    The average itself is part of the algorithm, and so of its checkpoints.
    """

    priority = 'VERY_HIGH'

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Average the weights of the finished step."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        model.update_teacher()
