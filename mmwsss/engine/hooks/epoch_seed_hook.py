"""Random numbers that depend on the epoch, not on the history of the process."""

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

    A run that is resumed after an epoch then gives the same weights as an uninterrupted one.
    MMEngine seeds a process once and data-loading processes when they start, so these would draw
    the same augmentations in every epoch. They are therefore restarted for each epoch, with or
    without ``persistent_workers``.

    The random numbers of the network are seeded before each iteration. The augmentations of an item
    are seeded by seed, epoch and item, in loops by iteration by the seeds of
    :class:`SeededInfiniteSampler`, so that the result does not depend on the number of data-loading
    processes. This holds for data sets based on :class:`SeededItems`, alone or in a
    ``ConcatDataset``; inside other wrappers each process draws different numbers.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._worker_init_fn = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed this process after the data have been loaded and before the network draws random
        numbers.
        """
        seed_all((runner.seed, runner.iter, runner.rank))

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed this process and the data-loading processes of this epoch."""
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
