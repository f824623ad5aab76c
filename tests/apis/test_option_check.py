"""Misspelt options of a config are found before anything runs."""

import pytest
from mmengine.config import Config

from mmwsss.apis.option_check import check_options

CONFIG = dict(
    model=dict(
        type='mmwsss.MCC',
        backbone=dict(type='mmwsss.TokenViT', img_size=64),
        num_classes=3,
        loss_weights=dict(seg=1.0),
    ),
    param_scheduler=[dict(type='mmwsss.WarmupPolyLR', end=10)],
    work_dir='x',
)


@pytest.mark.parametrize(
    'key',
    [
        'work_dir',
        'model.backbone.img_size',
        'model.backbone.drop_rate',
        'model.num_masks',
        'model.momentum',
        'model.loss_weights.contrast',
        'model.loss_starts.affinity',
        'param_scheduler.0.end',
        'randomness.seed',
    ],
)
def test_known_options(key):
    """Of the config, of a constructor and its parents, of defaults and of MMEngine."""
    check_options(Config(CONFIG), {key: 1}, 'grid.py')


@pytest.mark.parametrize(
    'key, nearest',
    [
        ('model.num_mask', 'num_masks'),
        ('model.loss_weights.contast', 'contrast'),
        ('model.loss_starts.contast', 'contrast'),
        ('modell.num_masks', 'model'),
    ],
)
def test_unknown_options(key, nearest):
    """The message names row, override and the nearest option."""
    with pytest.raises(ValueError, match=f'grid.py, row 2: .*{key}.*{nearest}'):
        check_options(Config(CONFIG), {key: 1}, 'grid.py, row 2')
