"""Time, memory and difference of an item of the benchmark, each measured in the process that calls
it.
"""

import ctypes
import resource
import statistics
import time

import torch

import mmwsss.evaluation  # registers the components, as the next one does
import mmwsss.models  # noqa: F401
from benchmarks.counters import shares_of_peaks
from benchmarks.suites import make_case, make_table
from mmwsss.utils.memory import peak_memory, reset_peak_memory

SIDES = ('ours', 'textbook')
LONG_ROUND_S = 40.0  # a round that takes longer needs no warm-up and no repetition
ROUND_S = 0.05  # calls that are shorter are repeated
M_MMAP_THRESHOLD = -3  # of glibc's mallopt


def measure_time(item, quick, repeats, device, tell):
    """Median seconds of both sides, run in turn, and how far their results differ.

    A call that is shorter than a round is repeated within it, as ``timeit`` does: else the caches
    that the other side has filled are timed.
    """
    case = make_case(item, device, quick)
    seconds, calls = {side: [] for side in SIDES}, dict.fromkeys(SIDES, 1)
    results = {}
    for number in range(repeats + 1):
        tell(f'round {number} of {repeats}')
        for side in SIDES:
            result, passed = timed(getattr(case, side), calls[side], device)
            seconds[side].append(passed / calls[side])
            if number == 0:
                calls[side] = max(1, int(ROUND_S / seconds[side][0]))
                results[side] = [
                    tensor.detach().cpu()
                    for tensor in (result if isinstance(result, tuple) else (result,))
                ]
        if number == 0 and sum(sum(values) for values in seconds.values()) > LONG_ROUND_S:
            break
    ours, textbook = (statistics.median(seconds[side][1:] or seconds[side]) for side in SIDES)
    tell('shares of the peaks')
    return dict(
        ours_s=ours,
        textbook_s=textbook,
        ratio=textbook / ours,
        max_abs_diff=largest_difference(*results.values()),
        **shares_of_peaks(case.ours, ours, device),
    )


def timed(function, calls, device):
    """Result of the last of some calls, and the seconds of all of them.

    On a GPU the time between two events in its queue: from when it has nothing else to do until it
    has done the last of them, whatever the host does afterwards.
    """
    _synchronize(device)
    events = (
        [torch.cuda.Event(enable_timing=True) for _ in range(2)] if device.type == 'cuda' else []
    )
    began = time.perf_counter()
    for event in events[:1]:
        event.record()
    for _ in range(calls):
        result = function()
    for event in events[1:]:
        event.record()
    _synchronize(device)
    if events:
        return result, events[0].elapsed_time(events[1]) / 1e3
    return result, time.perf_counter() - began


def measure_table(item, quick, device, tell):
    """Rows of an item that only measures."""
    tell('measured')
    return make_table(item, device, quick)


def largest_difference(ours, textbook):
    """Largest absolute difference of two lists of tensors.

    Raises:
        ValueError: Different shapes, or values that are not finite.
    """
    shapes = [[tuple(tensor.shape) for tensor in tensors] for tensors in (ours, textbook)]
    if shapes[0] != shapes[1]:
        raise ValueError(f'results of different shapes, {shapes[0]} and {shapes[1]}')
    difference = max(
        float((one.double() - two.double()).abs().max()) for one, two in zip(ours, textbook)
    )
    if not difference < float('inf'):
        raise ValueError('results are not finite')
    return difference


def measure_memory(item, side, quick, device, tell):
    """MiB that one run of a side needs above its inputs and weights."""
    tell(f'memory of {side}')
    getattr(make_case(item, device, True), side)()  # libraries and thread pools get what they keep
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is not None:
        # tensors are returned when freed: memory in use, not fragmentation, which differs by chance
        mallopt(M_MMAP_THRESHOLD, 1 << 16)
    case = make_case(item, device, quick)
    before = reset_peak_memory(device)
    result = getattr(case, side)()  # kept until the peak is read
    _synchronize(device)
    used = peak_memory(device) - before
    del result
    return max(used, resource.getpagesize()) / 2**20


def _synchronize(device):
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
