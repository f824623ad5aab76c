"""Every method sees the same batches for any number of processes that load data."""

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmengine.structures import BaseDataElement

from mmwsss.engine.hooks import EpochSeedHook
from mmwsss.utils.compat import restart_workers
from tests.engine.toy_runs import CONFIGS, training_config, write_toy_stages

TRAININGS = sorted(path.name for path in CONFIGS.glob('*_toy*.py'))
EPOCHS, LONGEST = 2, 6  # batches of a loop without epochs


def digest(node):
    """Digest of everything in a batch, to the last bit."""
    seen = hashlib.sha256()

    def add(value):
        if isinstance(value, torch.Tensor):
            seen.update(repr((value.shape, value.dtype)).encode())
            seen.update(np.ascontiguousarray(value.numpy()).tobytes())
        elif isinstance(value, BaseDataElement):
            add(dict(value.all_items()))
        elif isinstance(value, dict):
            for key in sorted(value):
                seen.update(key.encode())
                add(value[key])
        elif isinstance(value, (list, tuple)):
            for item in value:
                add(item)
        else:
            seen.update(repr(value).encode())

    add(node)
    return seen.hexdigest()


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Data of every stage."""
    root = tmp_path_factory.mktemp('batches') / 'toy'
    write_toy_stages(root)
    return root


def batches(name, data, folder, workers):
    """Digests of the batches of two epochs, or of the first ones of an endless loop."""
    config = training_config(name, data, folder, workers=workers)
    loader = Runner.build_dataloader(config.train_dataloader, seed=0)
    if config.train_cfg.type.endswith('EpochBasedTrainLoop'):
        loop = EpochBasedTrainLoop.__new__(EpochBasedTrainLoop)
        loop.dataloader = loader
        seen = []
        for epoch in range(EPOCHS):
            runner = SimpleNamespace(seed=0, epoch=epoch, rank=0, train_loop=loop)
            EpochSeedHook().before_train_epoch(runner)
            loader.sampler.set_epoch(epoch)
            seen += [digest(batch) for batch in loader]
    else:
        stream = iter(loader)
        seen = [digest(next(stream)) for _ in range(LONGEST)]
        del stream
    restart_workers(loader)
    return seen


@pytest.mark.parametrize('name', TRAININGS)
def test_batches_do_not_depend_on_the_number_of_processes(name, data, tmp_path):
    expected = batches(name, data, tmp_path, 0)
    assert len(set(expected)) == len(expected) > 3
    for workers in (1, 2, 4):
        assert batches(name, data, tmp_path, workers) == expected, workers
