"""Learning rates of the released single-stage code."""

import pytest
import torch

from mmwsss.engine.optimizers import WarmupPolyLR
from tests.golden_tensors import golden_tensors


def rates(steps, lrs=(6e-5,), **options):
    groups = [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr) for lr in lrs]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    schedule, seen = WarmupPolyLR(optimizer, **options), []
    for _ in range(steps):
        seen.append([group['lr'] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return seen


def test_released_rates():
    data = golden_tensors('mcc', 'lr/')
    seen = rates(20000, (6e-5, 6e-4), end=20000)
    for step, rate in zip(data['step'].tolist(), data['lr'].tolist()):
        assert seen[step] == pytest.approx([rate, 10 * rate], rel=1e-6)


def test_no_warmup():
    assert rates(5, (1.0,), warmup=0, power=1.0, end=5) == [
        pytest.approx([value]) for value in (1, 0.8, 0.6, 0.4, 0.2)
    ]


def test_warmup_longer_than_the_schedule():
    with pytest.raises(ValueError, match='warm-up of 1500 steps does not fit a schedule of 100'):
        rates(1, end=100)
