"""Logged values that are read from the device when somebody asks."""

import time

import torch
from mmengine.logging import MessageHub

from mmwsss.engine import deferred_scalars
from mmwsss.engine.deferred_scalars import DeferredScalars


def hub():
    return MessageHub.get_instance(f'test_{time.monotonic_ns()}')


def test_values_are_those_of_the_hub(monkeypatch):
    plain, ours = hub(), hub()
    scalars = DeferredScalars(ours)
    stacked, stack = [], torch.stack
    monkeypatch.setattr(torch, 'stack', lambda values: stacked.append(len(values)) or stack(values))
    for value in range(5):
        plain.update_scalar('train/loss', torch.tensor(float(value)))
        scalars.update('train/loss', torch.tensor(float(value)))
        scalars.update('train/other', torch.tensor([2.0 * value]))
    assert stacked == []
    log, expected = (part.get_scalar('train/loss') for part in (ours, plain))
    assert log.mean(3) == expected.mean(3) == 3 and log.current() == 4
    assert ours.get_scalar('train/other').max(5) == 8 and stacked == [10]


def test_a_log_goes_on_from_earlier_values():
    ours = hub()
    ours.update_scalar('train/loss', 7.0)
    scalars = DeferredScalars(ours)
    scalars.update('train/loss', torch.tensor(1.0))
    assert ours.get_scalar('train/loss').data[0].tolist() == [7, 1]


def test_pending_values_are_bounded(monkeypatch):
    monkeypatch.setattr(deferred_scalars, 'MAX_PENDING', 3)
    scalars = DeferredScalars(hub())
    for value in range(4):
        scalars.update('train/loss', torch.tensor(float(value)))
    assert len(scalars._pending) == 1
