"""What the test loops share."""

from types import SimpleNamespace

import torch
from torch import nn

from mmwsss.engine.loops.prediction_loop import PredictionLoop


class Loop(PredictionLoop):
    """Yields the numbers of the loader."""

    def predictions(self):
        assert not self.runner.model.training and not torch.is_grad_enabled()
        for number in self.dataloader:
            yield number, [f'sample {number}']


class Loader(list):
    dataset = range(5)


def test_hooks_and_evaluator():
    """Every batch reaches evaluator and hooks; the metrics are of the whole data set."""
    calls, processed = [], []
    loop = object.__new__(Loop)
    loop._runner = SimpleNamespace(
        model=nn.Linear(1, 1), call_hook=lambda name, **options: calls.append((name, options))
    )
    loop.dataloader = Loader([7, 8])
    loop.evaluator = SimpleNamespace(
        process=lambda data_samples, data_batch: processed.append((data_batch, data_samples)),
        evaluate=lambda size: dict(size=size),
    )
    assert loop.run() == dict(size=5) and torch.is_grad_enabled()
    assert processed == [(7, ['sample 7']), (8, ['sample 8'])]
    assert calls == [
        ('before_test', {}),
        ('before_test_epoch', {}),
        ('after_test_iter', dict(batch_idx=0, data_batch=7, outputs=['sample 7'])),
        ('after_test_iter', dict(batch_idx=1, data_batch=8, outputs=['sample 8'])),
        ('after_test_epoch', dict(metrics=dict(size=5))),
        ('after_test', {}),
    ]
