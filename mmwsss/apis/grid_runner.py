"""Execution of a study, locally with several runs at a time or as a job array of Slurm."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from mmwsss.apis.grid import Grid, Run
from mmwsss.apis.slurm import sbatch, write_script
from mmwsss.utils.io import atomic_open
from mmwsss.utils.pool import available_cores

POLL_SECONDS = 0.2
STOP_SECONDS = 30.0


class RunsFailed(RuntimeError):
    """Some runs of a study ended with an error; the message names them and their logs."""


def run_grid(
    grid: Grid,
    *,
    jobs: int = 1,
    gpus: int = 1,
    report: Callable[[str], None],
    finished: Callable[[], None],
) -> None:
    """Run all runs that have not ended, several at a time.

    A run that fails does not stop the others. If this function is interrupted (Ctrl-C, SIGTERM),
    the runs are stopped; the next call continues them.

    Args:
        grid: Checked study.
        jobs: Number of runs at a time. On a machine with GPUs each run uses ``gpus`` of them in
            turn; without GPUs the runs share the CPUs.
        gpus: Number of processes of each run.
        report: Function that receives lines of progress.
        finished: Function that is called after every successful run.

    Raises:
        RunsFailed: A run failed; raised after all others have ended.
        ValueError: ``jobs`` or ``gpus`` is below 1.
    """
    if jobs < 1 or gpus < 1:
        raise ValueError(f'--jobs and --gpus must be at least 1, got {jobs} and {gpus}')
    prepare(grid, report)
    waiting = unfinished(grid, report)
    total, failed = len(waiting), []
    slots: list[tuple[Run, subprocess.Popen[bytes], float] | None] = [None] * jobs
    with _stopping(slots):
        started = 0
        while waiting or any(slots):
            for index, slot in enumerate(slots):
                if slot is None and waiting:
                    run = waiting.pop(0)
                    started += 1
                    report(f'[{started}/{total}] {run.name}: {run.folder / "run.log"}')
                    slots[index] = run, _start(grid, run, index, jobs, gpus), time.monotonic()
                elif slot is not None and slot[1].poll() is not None:
                    run, process, began = slot
                    slots[index] = None
                    seconds = time.monotonic() - began
                    if process.returncode == 0 and run.is_done():
                        report(f'{run.name}: done in {seconds:.0f} s')
                        finished()
                    else:
                        failed.append(run)
                        report(f'{run.name}: failed with exit code {process.returncode}')
            time.sleep(POLL_SECONDS)
    if failed:
        raise RunsFailed(
            f'{len(failed)} of {total} runs failed: '
            + '; '.join(f'{run.name} ({run.folder / "run.log"})' for run in failed)
            + '; the same command tries them again'
        )


def prepare(grid: Grid, report: Callable[[str], None]) -> None:
    """Run the tools that precede all runs.

    Raises:
        RunsFailed: A tool failed.
    """
    for entry in grid.prepare:
        report(f'prepare: {shlex.join([entry["tool"], *entry["args"]])}')
        command = [sys.executable, str(grid.tools / entry['tool']), *entry['args']]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if result.returncode:
            last = result.stdout.decode(errors='replace').strip().splitlines()[-1:]
            raise RunsFailed(f'{entry["tool"]} failed: {" ".join(last)}')


def unfinished(grid: Grid, report: Callable[[str], None]) -> list[Run]:
    """Runs that have not ended, ready to start."""
    waiting = []
    for run in grid.runs:
        if run.is_done():
            report(f'{run.name}: done before')
        else:
            run.prepare()
            waiting.append(run)
    return waiting


def submit_grid(
    grid: Grid,
    command: Sequence[str],
    *,
    jobs: int,
    gpus: int,
    options: Sequence[str],
    report: Callable[[str], None],
) -> None:
    """Submit the runs that have not ended as a job array, followed by a job that writes the table.

    Args:
        grid: Checked study.
        command: Command that writes the table from the available results.
        jobs: Number of tasks of the array that may run at a time.
        gpus: Number of GPUs and processes of a run; 0 requests no GPU from Slurm.
        options: Further options of ``sbatch``, e.g. ``--partition=gpu``.
        report: Function that receives lines of progress.

    Raises:
        ValueError: ``sbatch`` is missing or fails. The scripts have been written by then.
    """
    prepare(grid, report)
    runs = unfinished(grid, report)
    if not runs:
        report('nothing left to run')
        return
    folder = (grid.work_dir / 'slurm').resolve()
    folder.mkdir(parents=True, exist_ok=True)
    listed = ''.join(f'{run.folder.resolve()}\n' for run in runs)
    with atomic_open(folder / 'runs.txt', 'w', encoding='utf-8') as file:
        file.write(listed)
    listing = shlex.quote(str(folder / 'runs.txt'))
    program = shlex.join(
        [sys.executable, str(grid.tools / 'run_pipeline.py'), '--gpus', str(max(gpus, 1))]
    )
    head = [f'#SBATCH --job-name={grid.name}', f'#SBATCH --chdir={Path.cwd()}']
    resources = [f'#SBATCH --gres=gpu:{gpus}'] if gpus else []
    write_script(
        folder / 'array.sh',
        [
            *head,
            *resources,
            f'#SBATCH --array=0-{len(runs) - 1}%{jobs}',
            f'#SBATCH --output={folder}/%A_%a.log',
            '#SBATCH --requeue',
            *(f'#SBATCH {option}' for option in options),
        ],
        [
            f'RUN=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {listing})',
            f'exec {program} "$RUN/pipeline.py" --work-dir "$RUN"',
        ],
    )
    write_script(
        folder / 'table.sh',
        [*head, f'#SBATCH --output={folder}/table_%j.log']
        + [f'#SBATCH {option}' for option in options if 'gres' not in option],
        [f'exec {shlex.join(command)}'],
    )
    job = sbatch([str(folder / 'array.sh')], folder)
    after = sbatch([f'--dependency=afterany:{job}', str(folder / 'table.sh')], folder)
    report(f'submitted {len(runs)} runs as job {job}, the table as job {after}')


def _start(grid: Grid, run: Run, slot: int, jobs: int, gpus: int) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        str(grid.tools / 'run_pipeline.py'),
        str(run.folder / 'pipeline.py'),
        '--work-dir',
        str(run.folder),
        '--gpus',
        str(gpus),
    ]
    with open(run.folder / 'run.log', 'ab') as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, **_share(slot, jobs, gpus)),
        )


def _share(slot: int, jobs: int, gpus: int) -> dict[str, str]:
    """Environment of a run: its GPUs, or its threads."""
    if torch.cuda.device_count():
        visible = os.environ.get('CUDA_VISIBLE_DEVICES')
        devices = (
            visible.split(',') if visible else [str(i) for i in range(torch.cuda.device_count())]
        )
        first = slot * gpus % (len(devices) // gpus * gpus or 1)
        return dict(CUDA_VISIBLE_DEVICES=','.join(devices[first : first + gpus]))
    if jobs > 1 and 'OMP_NUM_THREADS' not in os.environ:
        return dict(OMP_NUM_THREADS=str(max(1, available_cores() // jobs)))
    return {}


@contextmanager
def _stopping(
    slots: list[tuple[Run, subprocess.Popen[bytes], float] | None],
) -> Iterator[None]:
    """Stop the runs at the end of the block, also after an exception."""
    try:
        yield
    finally:
        processes = [slot[1] for slot in slots if slot is not None]
        for process in processes:
            process.terminate()
        end = time.monotonic() + STOP_SECONDS
        for process in processes:
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
