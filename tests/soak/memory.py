"""Peak memory of evaluations of few and of many masks."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mmwsss.utils.io import write_mask
from tests.soak.tiny_pipeline import ROOT

SIZE, CLASSES = (48, 64), 8
FEWER = 8  # times fewer masks in the first evaluation
MOST_SLOPE = 0.1  # MiB per 100 masks


def memory_of_evaluation(folder: Path, items: int, report: Callable[[str], None]) -> float:
    """Evaluate masks by ``tools/evaluate_masks.py`` in one process, an eighth of them and all.

    Args:
        folder (Path): Scratch.
        items (int): Masks.
        report (Callable): Takes lines of progress.

    Returns:
        MiB by which the peak grows, what the end of an evaluation takes included, per 100 masks.
    """
    generator = np.random.default_rng(0)
    for number in range(items):
        for kind in ('gt', 'masks'):
            labels = generator.integers(0, CLASSES, SIZE)
            write_mask(folder / kind / f'{number:05d}.png', labels)
    few, many = (_peak(folder, count) for count in (items // FEWER, items))
    slope = (many - few) / ((items - items // FEWER) / 100)
    report(f'peaks {few:.1f} and {many:.1f} MiB: {slope:+.3f} MiB per 100 masks')
    return slope


def _peak(folder: Path, count: int) -> float:
    """Peak in MiB of the evaluation of the first masks."""
    (folder / 'list.txt').write_text(''.join(f'{number:05d}\n' for number in range(count)))
    command = [sys.executable, str(ROOT / 'tools' / 'evaluate_masks.py')]
    command += ['--gt', 'gt', '--masks', 'masks', '--list', 'list.txt', '--workers', '1']
    command += ['--num-classes', str(CLASSES)]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=silent, stderr=silent)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise ValueError(f'evaluate_masks.py ended with {os.waitstatus_to_exitcode(status)}')
    return usage.ru_maxrss / 1024
