"""Peak memory of a piece of work: allocated memory of a GPU, resident memory of the process on a
CPU.
"""

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import torch

FREE_SHARE = 0.6  # of the free memory that an automatic batch may take
LARGEST_BATCH = 32  # images of an automatic batch
Value = TypeVar('Value')


def reset_peak_memory(device: torch.device) -> int:
    """Forget the peak so far where the system can (CUDA, Linux).

    Args:
        device (torch.device): Where the work is done.

    Returns:
        int: Bytes in use now, or of the peak that could not be forgotten.
    """
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    with suppress(OSError):
        Path('/proc/self/clear_refs').write_text('5')
    return peak_memory(device)


def peak_memory(device: torch.device) -> int:
    """Bytes of the peak since :func:`reset_peak_memory`."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):  # unlike ru_maxrss, without the peak of the process that started it
        for line in Path('/proc/self/status').read_text().splitlines():
            if line.startswith('VmHWM:'):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == 'darwin' else 1024
    )


def available_memory(device: torch.device) -> float:
    """Bytes that can still be allocated on a device; infinite where that is not reported."""
    if device.type == 'cuda':
        return float(torch.cuda.mem_get_info(device)[0])
    free = float('inf')
    with suppress(OSError):
        for line in Path('/proc/meminfo').read_text().splitlines():
            if line.startswith('MemAvailable:'):
                free = int(line.split()[1]) * 1024.0
    with suppress(OSError, ValueError):  # a container's own bound; "max" where it has none
        group = Path('/sys/fs/cgroup')
        bound = int((group / 'memory.max').read_text())
        free = min(free, bound - int((group / 'memory.current').read_text()))
    return free


def count_fitting(
    first: Callable[[], Value], device: torch.device | str | None = None
) -> tuple[Value, int]:
    """Images that the free memory of the GPU holds together, by the memory that the first one
    needs.

    Args:
        first: Works on one image, or few.
        device: Of it; default the current GPU.

    Returns:
        tuple: What it returns, and a number from 1 to :data:`LARGEST_BATCH`: as often as the
        memory of the call fits into :data:`FREE_SHARE` of what is then free.
    """
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    result = first()
    used = max(1, torch.cuda.max_memory_allocated(device) - before)
    free = torch.cuda.mem_get_info(device)[0]
    return result, int(min(max(FREE_SHARE * free / used, 1), LARGEST_BATCH))


@contextmanager
def memory_errors_named(subject: str, remedy: str) -> Iterator[None]:
    """Turn an error about memory into one line that names what was too large.

    Args:
        subject: What is being worked on, e.g. a file and its size.
        remedy: What to do; ends the message.

    Raises:
        ValueError: In the place of :class:`MemoryError`, :class:`torch.OutOfMemoryError` and the
            allocator's :class:`RuntimeError`; other errors pass.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        about_memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
            text in str(error) for text in ('not enough memory', "can't allocate memory")
        )
        if not about_memory:
            raise
        raise ValueError(f'{subject}: not enough memory; {remedy}') from error
