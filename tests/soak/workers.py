"""Trainings of every method with several numbers of processes that load data."""

from collections.abc import Callable
from pathlib import Path

import torch

from mmwsss.utils.compat import restart_workers
from tests.engine.toy_runs import CONFIGS, train, training_config, write_toy_stages
from tests.soak.kills import Outcome

WORKERS = (0, 1, 2, 4)
ONLY_TRAINING = {
    f'{split}_{part}': None
    for split in ('val', 'test')
    for part in ('evaluator', 'dataloader', 'cfg')
}


def compare_workers(folder: Path, report: Callable[[str], None]) -> Outcome:
    """Train each toy config for three iterations, or an epoch, with each number of processes.

    Args:
        folder (Path): Scratch.
        report (Callable): Takes lines of progress.

    Returns:
        Outcome: Trainings, those with the weights of the first of their config, weights compared.
    """
    write_toy_stages(folder / 'toy')
    tried, survived, compared, problems = 0, 0, 0, []
    for name in sorted(path.name for path in CONFIGS.glob('*_toy*.py')):
        expected: dict[str, torch.Tensor] = {}
        for workers in WORKERS:
            found = _weights(name, folder, workers)
            expected = expected or found
            wrong = [key for key in expected if not torch.equal(expected[key], found[key])]
            tried, compared = tried + 1, compared + len(found)
            survived += not wrong
            problems += [f'{name}, {workers} workers: {key}' for key in wrong[:1]]
        report(f'{name}: {len(expected)} weights')
    return Outcome(tried, survived, compared, problems)


def _weights(name: str, folder: Path, workers: int) -> dict[str, torch.Tensor]:
    config = training_config(
        name,
        folder / 'toy',
        folder / f'{name}_{workers}',
        iterations=3,
        workers=workers,
        **ONLY_TRAINING,
    )
    runner = train(config)
    state = {key: value.clone() for key, value in runner.model.state_dict().items()}
    restart_workers(runner.train_loop.dataloader)
    runner.train_loop.__dict__.pop('dataloader_iterator', None)
    return state
