"""Summary of a training run in the first lines of its log."""

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmwsss.registry import HOOKS
from mmwsss.utils.env import write_environment


@HOOKS.register_module()
class TrainingSummaryHook(Hook):
    """Logs batch, updates and learning rate before the first step, each next to the value of the
    recipe, because changing one of them is the most common reason for not reaching published
    numbers. Writes ``environment.json``.

    Args:
        lines (list[str]): Lines that are known before the schedules exist.
        note (str): Changes requested on the command line; logged as a warning.
    """

    priority = 'VERY_LOW'  # after the schedules have set the first learning rate

    def __init__(self, lines: list[str], note: str = '') -> None:
        self.lines = lines
        self.note = note

    def before_train(self, runner: Runner) -> None:
        """Log the lines and the learning rates of the first step, and write the environment."""
        if is_main_process():
            write_environment(runner.work_dir, seed=runner.seed)
        rates = sorted({group['lr'] for group in runner.optim_wrapper.optimizer.param_groups})
        first = ', '.join(f'{rate:.4g}' for rate in rates)
        for line in [*self.lines, f'learning rates of the first step: {first}']:
            runner.logger.info(line)
        if self.note:
            runner.logger.warning(self.note)
