"""A classifier and a segmentation network trained for a moment."""

from typing import NamedTuple

import pytest

from tests.tools.program import CONFIGS, TINY, run_tool


class Trained(NamedTuple):
    """A training run: config, overrides, work directory and checkpoint."""

    config: str
    options: dict
    folder: object
    checkpoint: str


def train(config, folder, options):
    result = run_tool('train.py', CONFIGS / config, '--work-dir', folder, options=options)
    assert result.code == 0, result
    return Trained(
        str(CONFIGS / config), options, folder, (folder / 'last_checkpoint').read_text().strip()
    )


@pytest.fixture(scope='session')
def classifier(toy_root, tmp_path_factory):
    """Two epochs of the toy classifier with two layers; its maps are the class attention, which is
    never flat.
    """
    options = {
        **TINY,
        'data_root': toy_root,
        'model.backbone.arch.num_layers': 2,
        'model.test_cfg.map_type': 'mct',
        'train_cfg.max_epochs': 2,
        'train_cfg.val_interval': 2,
        'default_hooks.checkpoint.max_keep_ckpts': -1,
    }
    return train('mctformer_plus_toy.py', tmp_path_factory.mktemp('classifier') / 'run', options)


@pytest.fixture(scope='session')
def segmentor(toy_root, tmp_path_factory):
    """Two iterations of the toy segmentation network, on true masks instead of pseudo
    masks.
    """
    options = {
        **TINY,
        'data_root': toy_root,
        'train_dataloader.dataset.data_prefix.pseudo_mask_path': toy_root / 'SegmentationClass',
        'model.backbone.base_channels': 8,
        'model.backbone.stem_channels': 8,
        'model.decode_head.in_channels': 64,
        'model.decode_head.c1_in_channels': 8,
        'model.decode_head.channels': 16,
        'train_cfg.max_iters': 2,
        'train_cfg.val_interval': 2,
        'default_hooks.checkpoint.interval': 2,
    }
    return train(
        'deeplabv3plus_r18_toy_pseudo.py', tmp_path_factory.mktemp('segmentor') / 'run', options
    )
