"""Testing in batches of images of one size."""

from typing import Any

import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner, TestLoop
from torch.utils.data import DataLoader

from mmwsss.engine.size_buckets import BatchPredictor
from mmwsss.registry import LOOPS


@LOOPS.register_module()
class BucketedTestLoop(TestLoop):
    """A test loop that collects images of exactly one size into batches; the numbers are those of
    one image after the other.

    Args:
        runner, dataloader, evaluator: As in :class:`mmengine.runner.TestLoop`; the loader gives one
            image at a time.
        batch_size (int, optional): See :class:`BatchPredictor`.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict[str, Any],
        evaluator: Evaluator | dict[str, Any] | list[Any],
        *,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(runner, dataloader, evaluator)
        self.batch_size = batch_size

    @torch.no_grad()
    def run(self) -> dict[str, Any]:
        """Test the whole data set.

        Returns:
            dict: Metrics.
        """
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        self.runner.model.eval()
        predictor = BatchPredictor(self.runner.model, self.batch_size)
        for index, (data, samples) in enumerate(predictor.predict(self.dataloader)):
            self.runner.call_hook('before_test_iter', batch_idx=index, data_batch=data)
            self.evaluator.process(data_samples=samples, data_batch=data)
            self.runner.call_hook(
                'after_test_iter', batch_idx=index, data_batch=data, outputs=samples
            )
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics
