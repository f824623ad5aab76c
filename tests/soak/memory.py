"""Memory of an evaluation over its run: what it grows by, and what its end adds."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mmwsss.utils.io import write_mask
from tests.soak.tiny_pipeline import ROOT

SIZE, CLASSES = (48, 64), 8
POLL_S = 0.01
MOST_SLOPE, MOST_JUMP = 0.1, 10.0  # MiB per 100 items; MiB at the end


def memory_of_evaluation(
    folder: Path, items: int, report: Callable[[str], None]
) -> tuple[float, float]:
    """Evaluate masks by ``tools/evaluate_masks.py`` in one process and watch its memory.

    Args:
        folder (Path): Scratch.
        items (int): Masks.
        report (Callable): Takes lines of progress.

    Returns:
        MiB per 100 items over the second half of the run, and MiB that the last tenth adds to the
        highest before.
    """
    generator = np.random.default_rng(0)
    names = [f'{number:05d}' for number in range(items)]
    for name in names:
        for kind in ('gt', 'masks'):
            write_mask(folder / kind / f'{name}.png', generator.integers(0, CLASSES, SIZE))
    (folder / 'list.txt').write_text('\n'.join(names) + '\n')
    command = [sys.executable, str(ROOT / 'tools' / 'evaluate_masks.py')]
    command += ['--gt', 'gt', '--masks', 'masks', '--list', 'list.txt', '--workers', '1']
    command += ['--num-classes', str(CLASSES)]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    sizes = []
    while process.poll() is None:
        sizes.append(_resident(process.pid))
        time.sleep(POLL_S)
    if process.returncode:
        raise ValueError(f'evaluate_masks.py ended with {process.returncode}')
    sizes = [size for size in sizes if size]
    level = max(sizes)
    # from here on nothing is imported any more
    steady = next(index for index, size in enumerate(sizes) if size > 0.9 * level)
    run = sizes[steady:]
    half, tenth = len(run) // 2, -max(1, len(run) // 10)
    slope = (max(run[half:tenth]) - max(run[: half + 1])) / (items / 200)
    jump = max(run[tenth:]) - max(run[:tenth])
    report(f'{items} masks: {slope:+.3f} MiB per 100 items, {jump:+.1f} MiB at the end')
    return slope, jump


def _resident(pid: int) -> float:
    """MiB in memory; 0 of a process that has ended."""
    try:
        lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in lines if line.startswith('VmRSS:')]
    return int(found[0]) / 1024 if found else 0.0
