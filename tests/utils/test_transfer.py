"""Tensors on their way to a device."""

import torch

from mmwsss.utils.transfer import select, send
from tests.device.emulated_device import (
    DEVICE,
    DeviceTensor,
    EmulatedDevice,
    emulated_device,  # noqa: F401  the fixture
)


def test_nobody_waits_for_what_is_sent(emulated_device: EmulatedDevice) -> None:  # noqa: F811
    sent = send(torch.arange(3), DEVICE)
    assert isinstance(sent, DeviceTensor) and sent.host.tolist() == [0, 1, 2]
    assert [event.kind for event in emulated_device.events] == ['upload']
    torch.arange(3).to(DEVICE)
    assert [event.kind for event in emulated_device.events] == ['upload', 'wait']


def test_what_is_there_stays() -> None:
    tensor = torch.rand(2)
    assert send(tensor, 'cpu') is tensor


def test_select_is_indexing_with_a_list(emulated_device: EmulatedDevice) -> None:  # noqa: F811
    tensor = torch.rand(3, 5, 2)
    for indices in ([], [1], [1, 2, 3], [3, 0], [4, 4]):
        assert torch.equal(select(tensor, indices, 1), tensor[:, indices]), indices
        chosen = select(DeviceTensor(tensor), indices, 1)
        assert torch.equal(chosen.host, tensor[:, indices])
    assert not emulated_device.of('wait')
    assert select(tensor, [1, 2], 1).data_ptr() == tensor[:, 1:].data_ptr()  # a view
