"""The first lines of a training's log."""

from types import SimpleNamespace

import torch

from mmwsss.engine.hooks.training_summary_hook import TrainingSummaryHook
from mmwsss.utils.io import read_json


def test_lines_rates_note_and_environment(tmp_path):
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(3)]
    groups = [dict(params=[weight], lr=rate) for weight, rate in zip(weights, (0.1, 0.01, 0.1))]
    said = []
    logger = SimpleNamespace(
        info=lambda line: said.append(('info', line)),
        warning=lambda line: said.append(('warning', line)),
    )
    optimizer = torch.optim.SGD(groups, lr=1.0)
    runner = SimpleNamespace(
        optim_wrapper=SimpleNamespace(optimizer=optimizer),
        logger=logger,
        work_dir=tmp_path,
        seed=7,
    )
    TrainingSummaryHook(['batch 4 (recipe: 8)']).before_train(runner)
    rates = ('info', 'learning rates of the first step: 0.01, 0.1')
    assert said == [('info', 'batch 4 (recipe: 8)'), rates]
    said.clear()
    TrainingSummaryHook([], note='half the batch').before_train(runner)
    assert said == [rates, ('warning', 'half the batch')]
    assert read_json(tmp_path / 'environment.json')['seed'] == 7
