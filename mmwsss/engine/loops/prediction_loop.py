"""Common part of the test loops that group or process predictions."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.runner import TestLoop


class PredictionLoop(TestLoop):
    """A test loop around :meth:`predictions`: hooks, evaluation mode and evaluator.

    Args:
        runner, dataloader, evaluator: As in :class:`mmengine.runner.TestLoop`.
    """

    @abstractmethod
    def predictions(self) -> Iterator[tuple[Any, list[Any]]]:
        """Yield a batch of the loader and its samples with predictions; calls the hooks
        ``before_test_iter``.
        """

    @torch.no_grad()
    def run(self) -> dict[str, Any]:
        """Test the whole data set.

        Returns:
            dict: Metrics.
        """
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        self.runner.model.eval()
        for index, (data, samples) in enumerate(self.predictions()):
            self.evaluator.process(data_samples=samples, data_batch=data)
            self.runner.call_hook(
                'after_test_iter', batch_idx=index, data_batch=data, outputs=samples
            )
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics
