"""Division of work on many files among the processes of a launcher.

The tools that need no runner (refinement, labels, evaluation) communicate by gloo on any device,
because they only agree on the remaining work and add up counts.
"""

import os
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .cli import num_processes
from .pool import available_cores

if TYPE_CHECKING:
    import torch

# processes wait at the end for the slowest one, whose part may take hours longer; dead processes
# are detected by the launcher
TIMEOUT = timedelta(days=2)
Value = TypeVar('Value')


class Processes(NamedTuple):
    """The processes of one job.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes.
        on_host: Number of processes that share the cores of this host.
        on_host_rank: Number of this process among those of this host.
    """

    rank: int = 0
    size: int = 1
    on_host: int = 1
    on_host_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the first process, which reports for all."""
        return self.rank == 0

    @property
    def cores(self) -> int:
        """Cores that this process may use, at least 1."""
        return max(1, available_cores() // self.on_host)

    def device(self, name: str | None = None) -> 'torch.device':
        """The device of this process, checked before anything is built for it.

        Args:
            name: Name of PyTorch. Default: the GPU of this process among the visible ones, or the
                CPU if there is none.

        Raises:
            ValueError: As :func:`mmwsss.utils.env.check_device`.
        """
        import torch

        from .env import check_device

        count = torch.cuda.device_count()
        return check_device(name or (f'cuda:{self.on_host_rank % count}' if count else 'cpu'))

    def share(self, items: Sequence[Value]) -> Sequence[Value]:
        """Every ``size``-th item, so that the parts of all processes form the whole."""
        return items[self.rank :: self.size]

    def from_first(self, function: Callable[[], Value]) -> Value:
        """Call a function in the first process only; all processes receive its value.

        An error is raised in the first process; the others end without a message.
        """
        if self.size == 1:
            return function()
        from torch.distributed import broadcast_object_list

        answer: list[Any] = [False, None]
        try:
            if self.is_first:
                answer = [True, function()]
        finally:
            broadcast_object_list(answer)
        if not answer[0]:
            sys.exit(1)
        return answer[1]

    def gather(self, value: Value) -> list[Value]:
        """The values of all processes, in the order of their numbers."""
        if self.size == 1:
            return [value]
        from torch.distributed import all_gather_object

        values: list[Any] = [None] * self.size
        all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            from torch.distributed import barrier

            barrier()


def add_launcher_argument(parser: ArgumentParser) -> None:
    """Add ``--launcher`` to a tool that works on many files."""
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm'),
        default='none',
        help='pytorch: the images are divided among the processes of torchrun; slurm: those of '
        'srun (default %(default)s)',
    )


def require_one_process() -> None:
    """Reject a launcher that has started several copies of a tool that does not divide its work.

    Raises:
        ValueError: Several processes were started. It is raised in the first one; the others end
            without a message.
    """
    _reject_copies(
        '{tool} works in one process, and a launcher has started {size}: start it '
        'without the launcher'
    )


def _reject_copies(message: str) -> None:
    """An error in the first of several processes, with ``message`` filled in; the others end."""
    size = num_processes()
    if size < 2:
        return
    if os.environ.get('RANK', '0') != '0':
        sys.exit(1)
    raise ValueError(message.format(tool=os.path.basename(sys.argv[0]), size=size))


@contextmanager
def joined_processes(launcher: str) -> Iterator[Processes]:
    """Join the processes that a launcher started.

    Args:
        launcher (str): ``'none'``, ``'pytorch'`` or ``'slurm'``.

    Yields:
        Processes

    Raises:
        ValueError: This process was not started by the launcher, or it was and ``launcher`` is
            ``'none'``.
    """
    if launcher == 'none':
        _reject_copies('a launcher has started {size} processes of {tool}: add --launcher pytorch')
        yield Processes()
        return
    from torch import distributed

    if launcher == 'slurm':
        os.environ.update(_slurm_variables())
    if 'RANK' not in os.environ or 'WORLD_SIZE' not in os.environ:
        raise ValueError(
            f'--launcher {launcher} is for processes that {_program(launcher)} starts; leave it out'
        )
    joins = not distributed.is_initialized()
    if joins:
        distributed.init_process_group('gloo', timeout=TIMEOUT)
    try:
        yield Processes(
            distributed.get_rank(),
            distributed.get_world_size(),
            int(os.environ.get('LOCAL_WORLD_SIZE', 1)),
            int(os.environ.get('LOCAL_RANK', 0)),
        )
    finally:
        if joins:
            distributed.destroy_process_group()


def _program(launcher: str) -> str:
    return 'srun' if launcher == 'slurm' else 'torchrun'


def _slurm_variables() -> dict[str, str]:
    """Variables that torchrun would set; Slurm already binds each task to separate cores."""
    environ = os.environ
    if 'SLURM_PROCID' not in environ:
        return {}
    nodes = environ.get('SLURM_STEP_NODELIST', environ.get('SLURM_NODELIST', ''))
    address = '127.0.0.1'
    if int(environ.get('SLURM_STEP_NUM_NODES', environ.get('SLURM_NNODES', 1))) > 1:
        command = ['scontrol', 'show', 'hostnames', nodes]
        address = subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.split()[0]
    # steps of one job, and jobs on one host, use different ports
    number = 7 * int(environ.get('SLURM_JOB_ID', 0)) + int(environ.get('SLURM_STEP_ID', 0))
    variables = dict(
        RANK=environ['SLURM_PROCID'],
        WORLD_SIZE=environ.get('SLURM_STEP_NUM_TASKS', environ.get('SLURM_NTASKS', '1')),
        LOCAL_RANK=environ.get('SLURM_LOCALID', '0'),
        LOCAL_WORLD_SIZE='1',
        MASTER_ADDR=address,
        MASTER_PORT=str(15000 + number % 40000),
    )
    return {name: environ.get(name, value) for name, value in variables.items()}
