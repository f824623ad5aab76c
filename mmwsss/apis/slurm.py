"""Stages of a pipeline as steps of Slurm, each with the resources that it uses."""

import shutil
from collections.abc import Sequence
from typing import NamedTuple

from .stages import Stage

GPU_TOOLS = ('train.py', 'test.py', 'generate_cams.py')


class Slurm(NamedTuple):
    """How ``srun`` is called.

    Attributes:
        gpus_per_node: GPUs of a machine; more processes than these spread over several.
        cpus_per_gpu: Cores beside each GPU, for the processes that load data.
        cpus: Cores of a stage without GPU, such as a dense CRF.
        extra: Further options of every stage, such as a partition.
    """

    gpus_per_node: int = 8
    cpus_per_gpu: int = 5
    cpus: int = 16
    extra: Sequence[str] = ()

    def words(self, stage: Stage, processes: int, job: str) -> list[str]:
        """Beginning of the command of a stage.

        Args:
            stage: ``tool`` and ``args``, and optionally ``slurm``, options of this stage alone.
            processes: Of the stage.
            job: Name of the pipeline.
        """
        words = ['srun', f'--job-name={job}-{stage["name"]}', '--kill-on-bad-exit=1']
        if uses_gpu(stage):
            on_node = min(processes, self.gpus_per_node)
            words += [
                f'--ntasks={processes}',
                f'--ntasks-per-node={on_node}',
                f'--gres=gpu:{on_node}',
                f'--cpus-per-task={self.cpus_per_gpu}',
            ]
        else:
            words += ['--ntasks=1', f'--cpus-per-task={self.cpus}']
        return [*words, *self.extra, *map(str, stage.get('slurm', ()))]


def uses_gpu(stage: Stage) -> bool:
    """Whether a stage runs a network: training, testing, maps, and walks along its affinities.

    Args:
        stage: ``tool`` and ``args``.
    """
    return stage['tool'] in GPU_TOOLS or '--checkpoint' in stage['args']


def check_slurm() -> None:
    """Refuse to start where Slurm is missing.

    Raises:
        ValueError: There is no ``srun``.
    """
    if shutil.which('srun') is None:
        raise ValueError(
            '--launcher slurm: srun is not on this machine; start run_pipeline.py on a login or '
            'compute node of the cluster, or leave out --launcher'
        )
