"""Short runs of the toy config."""

import time
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner

from mmwsss.apis import load_config
from mmwsss.preparation.toy_shapes import write_toy_shapes
from mmwsss.utils.affinity_io import write_crf_maps
from mmwsss.utils.io import read_image, write_mask

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


def write_toy_stages(root):
    """Toy shapes with what the later stages read: masks and the labels of affinity networks."""
    write_toy_shapes(root, train=8, val=1, test=1, size=(64, 80), workers=1)
    for path in sorted((root / 'JPEGImages').glob('train_*')):
        size = read_image(path).shape[:2]
        maps = np.random.default_rng(0).random((2, *size))
        write_crf_maps(root / 'crf' / f'{path.stem}.npz', [0], maps, maps)
        write_mask(root / 'labels' / f'{path.stem}.png', np.ones(size, np.uint8))


def training_config(name, root, folder, *, iterations=1, **options):
    """Toy config of any stage on the data of :func:`write_toy_stages`, one epoch or a few
    iterations long.
    """
    loop = Config.fromfile(CONFIGS / name).train_cfg.type
    length = {'train_cfg.max_iters': iterations} if loop.endswith('IterBasedTrainLoop') else {}
    config = toy_config(root, folder, config=name, **length, **options)
    dataset = config.train_dataloader.dataset
    if dataset.type.endswith('AffinityDataset'):
        dataset.data_prefix.affinity_path = str(root / ('labels' if 'irn' in name else 'crf'))
    elif dataset.type.endswith('PseudoSegDataset'):
        dataset.data_prefix.pseudo_mask_path = str(root / 'SegmentationClass')
    return config


def train(config):
    """Train; returns the runner."""
    runner = Runner.from_cfg(config)
    runner.train()
    return runner
