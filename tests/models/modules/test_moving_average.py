"""A moving average that counts on the host."""

import torch
from mmengine.model import ExponentialMovingAverage
from torch import nn

from mmwsss.models.modules import MovingAverage
from tests.device.emulated_device import (
    EmulatedDevice,
    emulated_device,  # noqa: F401  the fixture
)


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def change(module: nn.Module) -> None:
    with torch.no_grad():
        for tensor in (*module.parameters(), module[1].running_mean):
            tensor.add_(0.5)


def test_averages_and_state_are_those_of_mmengine() -> None:
    module = network()
    ours, theirs = MovingAverage(module, 0.1), ExponentialMovingAverage(module, 0.1)
    for _ in range(3):
        change(module)
        ours.update_parameters(module)
        theirs.update_parameters(module)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value, rtol=0, atol=0)


def test_a_loaded_average_goes_on() -> None:
    module = network()
    first, second = MovingAverage(module, 0.1), MovingAverage(module, 0.1)
    first.update_parameters(module)
    second.load_state_dict(first.state_dict())
    change(module)
    first.update_parameters(module)
    second.update_parameters(module)
    assert int(second.steps) == 2
    for one, two in zip(first.module.parameters(), second.module.parameters()):
        assert torch.equal(one, two)


def test_the_device_is_asked_once(emulated_device: EmulatedDevice) -> None:  # noqa: F811
    module = network()
    average = emulated_device.put(MovingAverage(module, 0.1))
    emulated_device.put(module)
    for _ in range(3):
        average.update_parameters(module)
    assert len(emulated_device.of('wait')) == 1
