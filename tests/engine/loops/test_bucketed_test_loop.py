"""Testing in batches of one size; the batches themselves are tested with their predictor."""

from types import SimpleNamespace

import torch
from torch import nn

from mmwsss.engine.loops import bucketed_test_loop
from mmwsss.engine.loops.bucketed_test_loop import BucketedTestLoop


def test_hooks_evaluator_and_metrics(monkeypatch):
    """Every batch once, in order, in evaluation mode and without gradients."""
    calls, processed = [], []

    class Predictor:
        def __init__(self, model, batch_size):
            assert batch_size == 2 and not model.training and not torch.is_grad_enabled()

        def predict(self, loader):
            for number in loader:
                yield f'data{number}', [f'sample{number}']

    monkeypatch.setattr(bucketed_test_loop, 'BatchPredictor', Predictor)
    loop = object.__new__(BucketedTestLoop)
    loop.batch_size = 2
    loop._runner = SimpleNamespace(
        model=nn.Linear(1, 1), call_hook=lambda name, **options: calls.append((name, options))
    )

    class Loader(list):
        dataset = range(3)

    loop.dataloader = Loader([0, 1])
    loop.evaluator = SimpleNamespace(
        process=lambda data_samples, data_batch: processed.append((data_batch, data_samples)),
        evaluate=lambda size: dict(size=size),
    )
    assert loop.run() == dict(size=3)
    assert processed == [('data0', ['sample0']), ('data1', ['sample1'])]
    assert [name for name, _ in calls] == [
        'before_test',
        'before_test_epoch',
        *['before_test_iter', 'after_test_iter'] * 2,
        'after_test_epoch',
        'after_test',
    ]
    assert calls[-2][1] == dict(metrics=dict(size=3))
