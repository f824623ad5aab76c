"""Ours against a plain textbook version, interleaved in one run: seconds, ratio, peak memory, largest difference of the results.

    python tools/analysis_tools/benchmark.py --suite train cam sweep --json benchmark.json
"""
import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the folder `tools`, so that suites import as a package

import torch
from analysis_tools.suites import ITEMS, make_case
from rich.console import Console

from mmwsss.utils.cli import run_main
from mmwsss.utils.io import write_json
from mmwsss.utils.tables import text_table

SIDES = ('ours', 'textbook')


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--suite', nargs='+', choices=tuple(ITEMS), default=list(ITEMS), metavar='ITEM',
                        help=f'what to compare (default: all): {", ".join(ITEMS)}')
    parser.add_argument('--device', default='cpu', help='cpu, cuda, cuda:1 (default %(default)s)')
    parser.add_argument('--repeats', type=int, default=3, help='timed pairs of runs, after one of each to warm up (default %(default)s)')
    parser.add_argument('--threads', type=int, help='threads of PyTorch (default: one per core)')
    parser.add_argument('--quick', action='store_true', help='small inputs: checks that everything runs, the times mean nothing')
    parser.add_argument('--json', type=Path, metavar='F', help='file for the results')
    parser.add_argument('--peak-of', nargs=2, metavar=('ITEM', 'SIDE'), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.repeats < 1:
        parser.error('--repeats must be at least 1')
    return args


def main():
    args = parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    if args.peak_of:
        print(json.dumps(peak_memory(*args.peak_of, device, args.quick)))
        return
    console = Console(stderr=True)
    results = {}
    for item in args.suite:
        with console.status(f'{item}: time'):
            results[item] = compare(item, device, args.repeats, args.quick)
        for side in SIDES:
            with console.status(f'{item}: memory of {side}'):
                results[item][f'{side}_mib'] = peak_in_own_process(item, side, args)
        console.print(f'{item}: {results[item]["ratio"]:.2f}x', markup=False, highlight=False)
    rows = [(item, *(f'{result[key]:.3g}' for key in ('ours_s', 'textbook_s', 'ratio', 'ours_mib', 'textbook_mib')),
             f'{result["max_abs_diff"]:.1e}') for item, result in results.items()]
    print(text_table(('item', 'ours s', 'textbook s', 'ratio', 'ours MiB', 'textbook MiB', 'largest difference'), rows))
    if args.json:
        write_json(args.json, results)


def compare(item, device, repeats, quick):
    """Median seconds of both sides, run in turn, and how far their results differ."""
    case = make_case(item, device, quick)
    results = [_tensors(getattr(case, side)()) for side in SIDES]  # also warms up
    shapes = [[tuple(tensor.shape) for tensor in side] for side in results]
    if shapes[0] != shapes[1]:
        raise ValueError(f'{item}: results of different shapes, {shapes[0]} and {shapes[1]}')
    difference = max((float((ours.double() - plain.double()).abs().max()) for ours, plain in zip(*results) if ours.numel()), default=0.)
    seconds = {side: [] for side in SIDES}
    for _ in range(repeats):
        for side in SIDES:
            _synchronize(device)
            began = time.perf_counter()
            getattr(case, side)()
            _synchronize(device)
            seconds[side].append(time.perf_counter() - began)
    ours, textbook = (statistics.median(seconds[side]) for side in SIDES)
    return dict(ours_s=ours, textbook_s=textbook, ratio=textbook / ours, max_abs_diff=difference)


def peak_in_own_process(item, side, args):
    """MiB that one run of a side needs on top of its inputs, in a fresh process."""
    command = [sys.executable, __file__, '--peak-of', item, side, '--device', args.device, '--suite', item]
    command += ['--quick'] if args.quick else []
    command += ['--threads', str(args.threads)] if args.threads else []
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise ValueError(f'{item}: the process that measures the memory of {side} failed: {run.stderr.strip()[-500:]}')
    return json.loads(run.stdout.splitlines()[-1])


def peak_memory(item, side, device, quick):
    """MiB above the state before the run: resident memory on a CPU, allocated memory on a GPU."""
    run = getattr(make_case(item, device, quick), side)
    if device.type == 'cuda':
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    Path('/proc/self/clear_refs').write_text('5')  # Linux: the high-water mark starts anew
    before = _status('VmRSS')
    run()
    return max(_status('VmHWM') - before, 4) / 1024  # at least a page


def _status(field):
    """KiB of a field of this process."""
    line = next(line for line in Path('/proc/self/status').read_text().splitlines() if line.startswith(field))
    return int(line.split()[1])


def _tensors(result):
    return result if isinstance(result, (tuple, list)) else (result, )


def _synchronize(device):
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


if __name__ == '__main__':
    sys.exit(run_main(main))
