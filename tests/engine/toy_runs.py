"""Short runs of the toy config."""

import time
from pathlib import Path

from mmengine.runner import Runner

from mmwsss.apis import load_config

CONFIGS = Path(__file__).parents[2] / 'configs'


def toy_config(
    root, work_dir, *, config='mctformer_plus_toy.py', epochs=1, workers=0, hooks=(), **options
):
    """A toy config on a tiny data set: batches of 4, everything else as it is."""
    loaders = {}
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loaders.update(
            {
                f'{loader}.num_workers': workers,
                f'{loader}.persistent_workers': workers > 0,
                # it collects garbage, half a second each time
                f'{loader}.dataset.serialize_data': False,
            }
        )
    length = (
        {}
        if 'train_cfg.max_iters' in options
        else {'train_cfg.max_epochs': epochs, 'train_cfg.val_interval': epochs}
    )
    config = load_config(
        CONFIGS / config,
        work_dir=work_dir,
        cfg_options={
            **loaders,
            **length,
            'data_root': str(root),
            'train_dataloader.batch_size': 4,
            'default_hooks.checkpoint.max_keep_ckpts': -1,
            'default_hooks.logger': dict(type='mmengine.LoggerHook', interval=1),
            'log_level': 'ERROR',
            **options,
        },
    )
    config.custom_hooks = [*config.custom_hooks, *hooks]
    config.experiment_name = f'test_{time.monotonic_ns()}'
    return config


def train(config):
    """Train; returns the runner."""
    runner = Runner.from_cfg(config)
    runner.train()
    return runner
