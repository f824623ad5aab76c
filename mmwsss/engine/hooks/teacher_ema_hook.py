"""Updates of an algorithm once per training step."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmwsss.registry import HOOKS

UPDATES = ('update_teacher', 'update_thresholds')


@HOOKS.register_module()
class TeacherEMAHook(Hook):
    """Calls ``update_teacher()`` and ``update_thresholds()`` of the algorithm, if it has them,
    after every training iteration, i.e. after the optimizer and before checkpoints and validation.

    The averages and thresholds are part of the algorithm, and thus of its checkpoints; its ``loss``
    does not change them.
    """

    priority = 'VERY_HIGH'

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Apply the updates of the finished step."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for name in UPDATES:
            if hasattr(model, name):
                getattr(model, name)()
