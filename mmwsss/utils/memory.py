"""Measurement of peak memory: allocated memory on a GPU, resident memory of the process on a
CPU.
"""

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import torch

FREE_SHARE = 0.6  # fraction of the free memory that an automatic batch may use
LARGEST_BATCH = 32  # images of an automatic batch
Value = TypeVar('Value')


def reset_peak_memory(device: torch.device) -> int:
    """Reset the peak where the system supports it (CUDA, Linux).

    Args:
        device (torch.device): Device of the measurement.

    Returns:
        int: Bytes currently in use, or of the peak if it could not be reset.
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
    with suppress(OSError):  # unlike ru_maxrss, it excludes the peak of the parent process
        for line in Path('/proc/self/status').read_text().splitlines():
            if line.startswith('VmHWM:'):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == 'darwin' else 1024
    )


def available_memory(device: torch.device) -> float:
    """Bytes that can still be allocated on a device; infinite if this is not reported."""
    if device.type == 'cuda':
        return float(torch.cuda.mem_get_info(device)[0])
    free = float('inf')
    with suppress(OSError):
        for line in Path('/proc/meminfo').read_text().splitlines():
            if line.startswith('MemAvailable:'):
                free = int(line.split()[1]) * 1024.0
    with suppress(OSError, ValueError):  # limit of a container; "max" if it has none
        group = Path('/sys/fs/cgroup')
        bound = int((group / 'memory.max').read_text())
        free = min(free, bound - int((group / 'memory.current').read_text()))
    return free


def count_fitting(
    first: Callable[[], Value], device: torch.device | str | None = None
) -> tuple[Value, int]:
    """Number of images that fit into the free memory of the GPU together, estimated from the memory
    for the first one.

    Args:
        first: Function that processes one image, or few.
        device: Device of the function; default: the current GPU.

    Returns:
        tuple: Its result, and a number from 1 to :data:`LARGEST_BATCH`: how often the memory of the
            call fits into :data:`FREE_SHARE` of the memory that is then free.
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
        subject: Description of the current input, e.g. a file and its size.
        remedy: Remedy; ends the message.

    Raises:
        ValueError: Replaces :class:`MemoryError`, :class:`torch.OutOfMemoryError` and the
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
