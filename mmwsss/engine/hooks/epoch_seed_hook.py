"""Random numbers that depend on the epoch, not on what ran before it."""

from functools import partial
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from mmwsss.datasets.seeded_items import seed_items
from mmwsss.registry import HOOKS
from mmwsss.utils.compat import restart_workers
from mmwsss.utils.seeding import seed_all


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds Python, NumPy and PyTorch at the start of each training epoch from seed, epoch and
    rank.

    A run that is resumed after an epoch then gives the weights of one that was never interrupted.
    MMEngine itself seeds a process once, and processes that load data whenever they start: these
    would draw the same augmentations in every epoch. They are therefore started anew for each
    epoch, ``persistent_workers`` or not.

    What a network draws is seeded before each iteration. The augmentations of an item are drawn
    from seed, epoch and item, in loops by iteration from the seeds of
    :class:`SeededInfiniteSampler`: the result does not depend on the number of processes that load
    data. That holds for data sets on :class:`SeededItems`, alone or in a ``ConcatDataset``; below
    other wrappers each process draws its own numbers.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._worker_init_fn = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed this process, after the data have been loaded and before the network draws."""
        seed_all((runner.seed, runner.iter, runner.rank))

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed this process, and the ones that will load the data of this epoch."""
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            return
        entropy = (runner.seed, runner.epoch, runner.rank)
        seed_all(entropy)
        loader = runner.train_loop.dataloader
        seed_items(loader.dataset, (runner.seed, runner.epoch))
        if loader.num_workers:
            self._worker_init_fn = self._worker_init_fn or loader.worker_init_fn
            loader.worker_init_fn = partial(
                _init_worker, entropy=entropy, before=self._worker_init_fn
            )
            restart_workers(loader)


def _init_worker(worker_id: Any, *, entropy: Any, before: Any) -> None:
    if before is not None:
        before(worker_id)
    seed_all((*entropy, worker_id + 1))
