"""Export of CAMs or masks during a training or test run."""

from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmwsss.engine.prediction_writer import PredictionWriter, write_predictions
from mmwsss.registry import HOOKS


@HOOKS.register_module()
class PseudoLabelHook(Hook):
    """Writes CAM or mask files at the end of training, every ``interval`` epochs, or for every
    tested image.

    Args:
        out_dir (str): Folder, relative to the work directory unless absolute.
        dataloader (dict, optional): Images to predict during training (config of a data loader,
            ``round_up=False``); without it only tested images are written.
        interval (int): Number of epochs after which labels are also written, into
            ``out_dir/epoch_<n>``; 0 for the end of training only.
        kind, threshold, half: See :class:`PredictionWriter`.
    """

    priority = 'LOW'

    def __init__(
        self,
        out_dir: str = 'cams',
        *,
        dataloader: dict[str, Any] | None = None,
        interval: int = 0,
        kind: str = 'cams',
        threshold: float = 0.4,
        half: bool = False,
    ) -> None:
        self.out_dir = out_dir
        self.dataloader: Any = dataloader
        self.interval = interval
        self.options: dict[str, Any] = dict(kind=kind, threshold=threshold, half=half)
        self._writer: PredictionWriter | None = None

    def after_train_epoch(self, runner: Runner) -> None:
        """Write the labels of this epoch."""
        epoch = runner.epoch + 1
        if self.interval and epoch % self.interval == 0 and epoch < runner.max_epochs:
            self._write(runner, f'epoch_{epoch}')

    def after_train(self, runner: Runner) -> None:
        """Write the labels of the trained model."""
        self._write(runner, '')

    def _write(self, runner: Runner, folder: str) -> None:
        if self.dataloader is None:
            return
        if isinstance(self.dataloader, dict):
            self.dataloader = runner.build_dataloader(self.dataloader)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        write_predictions(
            model, self.dataloader, self._make_writer(runner, folder), description='pseudo labels'
        )

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write the predictions of a test batch."""
        if self._writer is None:
            self._writer = self._make_writer(runner, '')
        for sample in outputs:
            self._writer.write(sample)

    def _make_writer(self, runner: Runner, folder: str) -> PredictionWriter:
        return PredictionWriter(Path(runner.work_dir) / self.out_dir / folder, **self.options)
