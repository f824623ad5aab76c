"""A tiny training with validations, best checkpoint and one kept checkpoint, and its result."""

from pathlib import Path

import torch
from mmengine.runner import Runner

from mmwsss.apis import build_runner
from mmwsss.utils.compat import load_weights_only
from mmwsss.utils.io import read_json
from tests.engine.toy_runs import toy_config

OPTIONS = {
    'default_hooks.checkpoint.max_keep_ckpts': 1,
    'default_hooks.checkpoint.save_best': 'cam/mIoU',
    'default_hooks.checkpoint.rule': 'greater',
    'train_cfg.val_interval': 1,
    'model.backbone.arch.num_layers': 1,
}


def run(root: Path, folder: Path, *, resume: bool = True) -> Runner:
    """Train three epochs, or go on."""
    config = toy_config(root, folder, epochs=3, **OPTIONS)
    config.resume = resume
    runner = build_runner(config, 'train')
    runner.train()
    return runner


def result(folder: Path) -> dict:
    """Everything a run is for; the clock is no part of it."""
    return dict(
        weights=load_weights_only(folder / 'epoch_3.pth')['state_dict'],
        best=load_weights_only(*folder.glob('best_*.pth'))['state_dict'],
        metrics=read_json(folder / 'metrics.json'),
        curves=read_json(folder / 'curves.json'),
        files=sorted(path.name for path in folder.iterdir() if not path.is_dir()),
    )


def same(one: dict, other: dict) -> bool:
    """Whether two results are equal to the last bit."""
    tensors = all(
        one[part].keys() == other[part].keys()
        and all(torch.equal(one[part][name], other[part][name]) for name in one[part])
        for part in ('weights', 'best')
    )
    return tensors and all(one[part] == other[part] for part in ('metrics', 'curves', 'files'))
