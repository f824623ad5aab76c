"""Schedule of losses that do not start at the first iteration."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from mmwsss.registry import HOOKS


@HOOKS.register_module()
class LossScheduleHook(Hook):
    """Reports the progress of the training to an algorithm before each epoch and iteration:
    ``update_schedule(epoch=, iteration=)``.

    Both count from 0 and continue in a resumed run. Algorithms without that method are skipped.
    """

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner: Runner) -> None:
        """Report epoch and iteration."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if hasattr(model, 'update_schedule'):
            model.update_schedule(epoch=runner.epoch, iteration=runner.iter)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict[str, Tensor] | None = None
    ) -> None:
        """Report epoch and iteration."""
        self.before_train_epoch(runner)
