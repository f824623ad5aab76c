"""Peak memory."""

import sys

import pytest
import torch

from mmwsss.utils.memory import peak_memory, reset_peak_memory


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere the peak cannot be forgotten')
def test_peak_of_a_large_tensor():
    device, size = torch.device('cpu'), 40 << 20
    for _ in range(5):  # the system may take other memory of this large process back meanwhile
        before = reset_peak_memory(device)
        tensor = torch.ones(size, dtype=torch.uint8)
        used = peak_memory(device) - before
        del tensor
        assert peak_memory(device) - before >= used
        if size * 0.5 < used < size * 3:
            return
    pytest.fail(f'a tensor of {size} bytes raises the peak by {used}')
