"""Losses that are read when they are logged, not before."""

import copy
import pickle
import time

import torch
from mmengine.logging import HistoryBuffer, MessageHub

from mmwsss.engine.hooks import DeferredInfoHook
from tests.device.emulated_device import (
    DeviceTensor,
    EmulatedDevice,
    emulated_device,  # noqa: F401  the fixture
)
from tests.engine.toy_runs import toy_config, train


class Stub:
    """What the hook needs of a runner."""

    def __init__(self) -> None:
        self.message_hub = MessageHub.get_instance(f'deferred_{time.monotonic_ns()}')


def steps(hook: DeferredInfoHook, runner: Stub, values: list[float]) -> None:
    for value in values:
        outputs = dict(loss=DeviceTensor(torch.tensor(value)), loss_b=DeviceTensor(torch.ones(1)))
        hook.after_train_iter(runner, 0, outputs=outputs)


def test_values_are_read_once_and_together(emulated_device: EmulatedDevice) -> None:  # noqa: F811
    hook, runner = DeferredInfoHook(), Stub()
    steps(hook, runner, [1.0, 2.0, 6.0])
    assert not emulated_device.of('wait'), emulated_device.report('wait')
    buffer = runner.message_hub.get_scalar('train/loss')
    assert buffer.current() == 6 and buffer.mean(2) == 4 and buffer.data[0].tolist() == [1, 2, 6]
    assert runner.message_hub.get_scalar('train/loss_b').mean() == 1
    assert len(emulated_device.of('wait')) == 1
    steps(hook, runner, [0.5])
    assert buffer.min() == 0.5 and buffer.data[1].tolist() == [1, 1, 1, 1]
    assert len(emulated_device.of('wait')) == 2


def test_checkpoints_hold_plain_logs(emulated_device: EmulatedDevice) -> None:  # noqa: F811
    hook, runner = DeferredInfoHook(), Stub()
    steps(hook, runner, [1.0, 3.0])
    state = runner.message_hub.state_dict()['log_scalars']['train/loss']
    assert type(state) is HistoryBuffer
    assert type(copy.deepcopy(state)) is HistoryBuffer and pickle.dumps(state)
    assert state.data[0].tolist() == [1, 3]
    resumed = Stub()
    resumed.message_hub.load_state_dict(runner.message_hub.state_dict())
    steps(hook, resumed, [5.0])
    assert resumed.message_hub.get_scalar('train/loss').data[0].tolist() == [1, 3, 5]


def test_is_part_of_every_run(toy_root, tmp_path) -> None:
    config = toy_config(toy_root, tmp_path, val_evaluator=None, val_dataloader=None, val_cfg=None)
    runner = train(config)
    assert any(type(hook) is DeferredInfoHook for hook in runner.hooks)
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    assert len(losses) == 2 and (losses > 0).all()
