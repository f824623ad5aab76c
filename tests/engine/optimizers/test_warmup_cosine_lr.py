"""Learning rates of every epoch of the released runs."""

import math
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper

from mmwsss.engine.optimizers import WarmupCosineLR
from mmwsss.registry import PARAM_SCHEDULERS
from tests.mctformer_golden import golden

RUNS = {'voc_plus_e45_b32': (45, 5e-4 * 32 / 512), 'v2_e60_b64': (60, 5e-4 * 64 / 512)}


def optimizer(*rates):
    return torch.optim.AdamW(
        [dict(params=[torch.nn.Parameter(torch.ones(1))], lr=rate) for rate in rates]
    )


def rates(wrapped, scheduler, steps):
    seen = []
    for _ in range(steps):
        seen.append([group['lr'] for group in wrapped.param_groups])
        wrapped.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize('run', RUNS)
def test_released_rates(run):
    epochs, base = RUNS[run]
    expected = golden('mctformer_plus_init')[f'lr_per_epoch/{run}'].tolist()
    wrapped = optimizer(base)
    assert [
        rate for (rate,) in rates(wrapped, WarmupCosineLR(wrapped, end=epochs), epochs)
    ] == pytest.approx(expected, rel=1e-6)
    assert len(expected) == epochs and expected[0] == expected[1] == pytest.approx(1e-6)
    assert max(expected) < base


@pytest.mark.parametrize(
    'name, run', [('mctformer_plus_voc', 'voc_plus_e45_b32'), ('mctformer_v2_voc', 'v2_e60_b64')]
)
def test_rates_of_the_configs(name, run):
    config = Config.fromfile(Path(__file__).parents[3] / 'configs' / f'{name}.py')
    epochs, expected = (
        config.train_cfg.max_epochs,
        golden('mctformer_plus_init')[f'lr_per_epoch/{run}'].tolist(),
    )
    wrapped = optimizer(config.optim_wrapper.optimizer.lr)
    (options,) = config.param_scheduler
    scheduler = PARAM_SCHEDULERS.build(dict(options, optimizer=wrapped))
    assert [rate for (rate,) in rates(wrapped, scheduler, epochs)] == pytest.approx(
        expected, rel=1e-6
    )


@pytest.mark.parametrize('stop', [1, 4, 6, 30])
def test_resume(stop):
    epochs, base = RUNS['voc_plus_e45_b32']
    wrapped = optimizer(base)
    scheduler = WarmupCosineLR(wrapped)
    first = rates(wrapped, scheduler, stop)
    states = scheduler.state_dict(), wrapped.state_dict()
    wrapped = optimizer(base)
    scheduler = WarmupCosineLR(wrapped, warmup=9, min_lr=1)  # overwritten by the state
    wrapped.load_state_dict(states[1])
    scheduler.load_state_dict(states[0])
    everything = first + rates(wrapped, scheduler, epochs - stop)
    expected = golden('mctformer_plus_init')['lr_per_epoch/voc_plus_e45_b32'].tolist()
    assert [rate for (rate,) in everything] == pytest.approx(expected, rel=1e-6)


def test_groups_keep_their_own_base():
    wrapped = OptimWrapper(optimizer(1e-3, 1e-2))
    scheduler = PARAM_SCHEDULERS.build(
        dict(
            type='mmwsss.WarmupCosineLR',
            optimizer=wrapped,
            warmup=2,
            warmup_lr=0.0,
            min_lr=0.0,
            lag=0,
            end=4,
        )
    )
    seen = []
    for _ in range(4):
        seen.append([group['lr'] for group in wrapped.optimizer.param_groups])
        wrapped.optimizer.step()
        scheduler.step()
    for step, pair in enumerate(seen):
        factor = step / 2 if step < 2 else (1 + math.cos(math.pi * step / 4)) / 2
        assert pair == pytest.approx([1e-3 * factor, 1e-2 * factor])


@pytest.mark.parametrize('lag', [0, 1])
def test_every_iteration(lag):
    """The converted schedule has the same value at the start of each epoch, and moves in
    between.
    """
    length, epochs = 7, 6
    options = dict(warmup=2, warmup_lr=1e-5, min_lr=1e-6, lag=lag, end=epochs)
    wrapped = optimizer(1e-3)
    per_epoch = rates(wrapped, WarmupCosineLR(wrapped, **options), epochs)
    wrapped = optimizer(1e-3)
    scheduler = WarmupCosineLR.build_iter_from_epoch(wrapped, epoch_length=length, **options)
    per_iteration = rates(wrapped, scheduler, epochs * length)
    for epoch in range(epochs):
        assert per_iteration[epoch * length] == pytest.approx(per_epoch[epoch])
    assert len({rate for (rate,) in per_iteration}) >= (epochs - lag) * length - 1
    with pytest.raises(ValueError, match='by epoch'):
        WarmupCosineLR.build_iter_from_epoch(wrapped, epoch_length=length, by_epoch=False)
