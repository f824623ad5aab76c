"""Peak memory."""

import os
import sys
from pathlib import Path

import pytest
import torch

from mmwsss.utils.memory import (
    available_memory,
    memory_errors_named,
    peak_memory,
    reset_peak_memory,
)


def resident():
    """Bytes in use by this process."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE')


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere the peak cannot be forgotten')
def test_peak_of_a_large_tensor():
    device, size = torch.device('cpu'), 40 << 20
    for _ in range(5):  # the system may take other memory of this large process back meanwhile
        before = reset_peak_memory(device)
        if before > resident() + size:  # that of the process which started this one, or of a thread
            pytest.skip('the peak of this process cannot be forgotten')
        tensor = torch.ones(size, dtype=torch.uint8)
        used = peak_memory(device) - before
        del tensor
        assert peak_memory(device) - before >= used
        if size * 0.5 < used < size * 3:
            return
    pytest.fail(f'a tensor of {size} bytes raises the peak by {used}')


def test_errors_about_memory_become_one_line():
    for error in (
        MemoryError(),
        torch.OutOfMemoryError('CUDA out of memory'),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 18 GB"),
    ):
        with pytest.raises(ValueError, match='a.jpg: there is not enough memory; less'):
            with memory_errors_named('a.jpg', 'less'):
                raise error
    with pytest.raises(RuntimeError, match='shapes'):
        with memory_errors_named('a.jpg', 'less'):
            raise RuntimeError('shapes do not fit')


def test_there_is_memory():
    assert 1 << 20 < available_memory(torch.device('cpu'))
