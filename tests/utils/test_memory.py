"""Peak memory."""
import sys

import pytest
import torch

from mmwsss.utils.memory import peak_memory, reset_peak_memory


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere the peak cannot be forgotten')
def test_peak_of_a_large_tensor():
    device = torch.device('cpu')
    before = reset_peak_memory(device)
    tensor = torch.ones(40 << 20, dtype=torch.uint8)
    used = peak_memory(device) - before
    assert tensor.numel() * 0.5 < used < tensor.numel() * 3
    del tensor
    assert peak_memory(device) - before >= used
