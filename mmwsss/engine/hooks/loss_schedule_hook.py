"""Losses that start late."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from mmwsss.registry import HOOKS


@HOOKS.register_module()
class LossScheduleHook(Hook):
    """Tells an algorithm how far training has come, before each epoch and iteration:
    ``update_schedule(epoch=, iteration=)``.

    Both count from 0 and go on where a resumed run left off. Algorithms without that method are
    left alone.
    """

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner: Runner) -> None:
        """Tell epoch and iteration."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if hasattr(model, 'update_schedule'):
            model.update_schedule(epoch=runner.epoch, iteration=runner.iter)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict[str, Tensor] | None = None
    ) -> None:
        """Tell epoch and iteration."""
        self.before_train_epoch(runner)
