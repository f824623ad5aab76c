"""Run a function in several processes joined by gloo, without network or GPU."""

import os
import tempfile
from pathlib import Path

import torch
from torch import distributed, multiprocessing


def run_distributed(fn, world_size, tmp_path, *args, start_method='forkserver'):
    """Run ``fn(rank, world_size, *args)`` in ``world_size`` processes.

    Args:
        fn (Callable): A function of a module's top level; returns what
            ``torch.load(weights_only=True)`` can read.
        world_size (int): Number of processes.
        tmp_path (Path): Folder for the rendezvous and the results.
        *args: Picklable arguments.
        start_method (str): ``'fork'`` is ready at once, but breaks autograd in the processes if
            this one has used it.

    Returns:
        list: Results in the order of ranks. An exception of any process is raised here.
    """
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    # of no effect where the server runs already
    multiprocessing.get_context('forkserver').set_forkserver_preload([])
    multiprocessing.start_processes(
        _run_rank, (fn, world_size, folder, args), nprocs=world_size, start_method=start_method
    )
    return [torch.load(folder / f'{rank}.pt', weights_only=True) for rank in range(world_size)]


def _run_rank(rank, fn, world_size, folder, args):
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world_size))
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=world_size
    )
    try:
        torch.save(fn(rank, world_size, *args), folder / f'{rank}.pt')
    finally:
        distributed.destroy_process_group()
