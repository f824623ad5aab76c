"""Peak memory of a piece of work: allocated memory of a GPU, resident memory of the process on a
CPU.
"""

import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch


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
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == 'darwin' else 1024
    )
