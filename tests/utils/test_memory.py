"""Peak memory."""

import subprocess
import sys

import pytest
import torch

from mmwsss.utils.memory import available_memory, memory_errors_named

# In a process of its own: the system takes memory of a large test process back at any moment.
PEAK = """
import torch
from mmwsss.utils.memory import peak_memory, reset_peak_memory
device = torch.device('cpu')
torch.ones(60 << 20, dtype=torch.uint8)  # a peak to be forgotten
before = reset_peak_memory(device)
tensor = torch.ones(40 << 20, dtype=torch.uint8)
print(before, peak_memory(device))
del tensor
print(before, peak_memory(device))
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere the peak cannot be forgotten')
def test_peak_of_a_large_tensor():
    out = subprocess.run([sys.executable, '-c', PEAK], capture_output=True, text=True, check=True)
    for line in out.stdout.splitlines():
        before, peak = map(int, line.split())
        assert 30 << 20 < peak - before < 50 << 20


def test_errors_about_memory_become_one_line():
    for error in (
        MemoryError(),
        torch.OutOfMemoryError('CUDA out of memory'),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 18 GB"),
    ):
        with pytest.raises(ValueError, match='a.jpg: not enough memory; less'):
            with memory_errors_named('a.jpg', 'less'):
                raise error
    with pytest.raises(RuntimeError, match='shapes'):
        with memory_errors_named('a.jpg', 'less'):
            raise RuntimeError('shapes do not fit')


def test_there_is_memory():
    assert 1 << 20 < available_memory(torch.device('cpu'))
