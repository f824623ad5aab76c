"""Execution of the stages of a pipeline as steps or jobs of Slurm, each with the resources that it
uses.
"""

import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from mmwsss.utils.io import atomic_open

from .stages import Stage

GPU_TOOLS = ('train.py', 'test.py', 'generate_cams.py')


class Slurm(NamedTuple):
    """Options of ``srun``.

    Attributes:
        gpus_per_node: Number of GPUs per machine; more processes are distributed over several
            machines.
        cpus_per_gpu: Cores per GPU, for the processes that load data.
        cpus: Cores of a stage without a GPU, such as a dense CRF.
        extra: Further options of every stage, such as a partition.
    """

    gpus_per_node: int = 8
    cpus_per_gpu: int = 5
    cpus: int = 16
    extra: Sequence[str] = ()

    def words(self, stage: Stage, processes: int, job: str) -> list[str]:
        """Beginning of the command of a stage.

        Args:
            stage: ``tool`` and ``args``, and optionally ``slurm``, options of this stage only.
            processes: Number of processes of the stage.
            job: Name of the pipeline.
        """
        return ['srun', '--kill-on-bad-exit=1', *self.options(stage, processes, job)]

    def options(self, stage: Stage, processes: int, job: str) -> list[str]:
        """Name and resources of a stage, for both ``srun`` and ``sbatch``; see :meth:`words`."""
        options = [f'--job-name={job}-{stage["name"]}', f'--ntasks={processes}']
        if uses_gpu(stage):
            on_node = min(processes, self.gpus_per_node)
            options += [
                f'--ntasks-per-node={on_node}',
                f'--gres=gpu:{on_node}',
                f'--cpus-per-task={self.cpus_per_gpu}',
            ]
        else:
            options.append(f'--cpus-per-task={self.cpus}')
        return [*options, *self.extra, *map(str, stage.get('slurm', ()))]


def uses_gpu(stage: Stage) -> bool:
    """Whether a stage runs a network: training, testing, maps, and random walks with its
    affinities.

    Args:
        stage: ``tool`` and ``args``.
    """
    return stage['tool'] in GPU_TOOLS or '--checkpoint' in stage['args']


def check_slurm() -> None:
    """Check that Slurm is available.

    Raises:
        ValueError: ``srun`` is missing.
    """
    if shutil.which('srun') is None:
        raise ValueError(
            '--launcher slurm: srun is not on this machine; start run_pipeline.py on a login or '
            'compute node of the cluster, or leave out --launcher'
        )


def submit_chain(
    jobs: Sequence[tuple[str, Sequence[str], Sequence[str]]],
    folder: Path,
    report: Callable[[str], None],
) -> None:
    """Submit jobs, each of which waits for the previous one.

    Args:
        jobs: Name, options of ``sbatch`` and command of each.
        folder: Folder of the scripts and the output of the jobs.
        report: Function that receives lines of progress.

    Raises:
        ValueError: ``sbatch`` is missing or fails. The scripts have been written by then.
    """
    folder = folder.resolve()
    for name, options, command in jobs:
        output = [f'#SBATCH --output={folder}/{name}_%j.log', f'#SBATCH --chdir={Path.cwd()}']
        directives = [*output, *(f'#SBATCH {option}' for option in joined(options))]
        write_script(folder / f'{name}.sh', directives, [f'exec {shlex.join(command)}'])
    before: list[str] = []
    for name, _, _ in jobs:
        job = sbatch([*before, str(folder / f'{name}.sh')], folder)
        report(f'{name}: job {job}')
        # a job that can never start leaves the queue
        before = [f'--dependency=afterok:{job}', '--kill-on-invalid-dep=yes']


def joined(options: Sequence[str]) -> list[str]:
    """Options with their values, one per line: ``-p gpu`` is one option of two words."""
    lines: list[str] = []
    for option in options:
        if option.startswith('-') or not lines:
            lines.append(option)
        else:
            lines[-1] += f' {option}'
    return lines


def write_script(path: Path, directives: Sequence[str], lines: Sequence[str]) -> None:
    """Write a script for ``sbatch``."""
    text = '\n'.join(['#!/usr/bin/env bash', *directives, 'set -euo pipefail', *lines, ''])
    with atomic_open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def sbatch(arguments: Sequence[str], folder: Path) -> str:
    """Submit a script.

    Args:
        arguments: Options and script.
        folder: Folder of the scripts, for the message.

    Returns:
        Number of the job.

    Raises:
        ValueError: ``sbatch`` is missing or fails.
    """
    if shutil.which('sbatch') is None:
        raise ValueError(
            f'--launcher: sbatch not found; the scripts are written to {folder}, run this command '
            f'where Slurm is'
        )
    result = subprocess.run(
        ['sbatch', '--parsable', *arguments], capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise ValueError(f'sbatch {" ".join(arguments)}: {result.stderr.strip()}')
    return result.stdout.strip().splitlines()[-1].partition(';')[0]
