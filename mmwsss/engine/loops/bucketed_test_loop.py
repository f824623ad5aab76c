"""Test loop over batches of images of the same size."""

from collections.abc import Iterator
from typing import Any

from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmwsss.engine.size_buckets import BatchPredictor
from mmwsss.registry import LOOPS

from .prediction_loop import PredictionLoop


@LOOPS.register_module()
class BucketedTestLoop(PredictionLoop):
    """A test loop that collects images of exactly the same size into batches; the results equal
    those of single images.

    Args:
        runner, dataloader, evaluator: As in :class:`mmengine.runner.TestLoop`; the loader returns
            one image at a time.
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

    def predictions(self) -> Iterator[tuple[Any, list[Any]]]:
        """See :meth:`PredictionLoop.predictions`."""
        predictor = BatchPredictor(self.runner.model, self.batch_size)
        for index, (data, samples) in enumerate(predictor.predict(self.dataloader)):
            self.runner.call_hook('before_test_iter', batch_idx=index, data_batch=data)
            yield data, samples
