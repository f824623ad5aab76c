"""Misspelt options of a config are found before anything runs."""

import pytest
from mmengine.config import Config

from mmwsss.apis.option_check import check_options, nearest_name

CONFIG = dict(
    model=dict(
        type='mmwsss.MCC',
        backbone=dict(type='mmwsss.TokenViT', img_size=64),
        num_classes=3,
        loss_weights=dict(seg=1.0),
    ),
    param_scheduler=[dict(type='mmwsss.WarmupPolyLR', end=10)],
    max_iters=10,
)


@pytest.mark.parametrize(
    'key',
    [
        'max_iters',
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
    'key, message',
    [
        ('model.num_mask', "model has no 'num_mask'; did you mean 'num_masks'"),
        (
            'model.loss_weights.contast',
            "model.loss_weights has no 'contast'; did you mean 'contrast'",
        ),
        ('modell.num_masks', "the config has no 'modell'; did you mean 'model'"),
        ('param_scheduler.3.end', "'param_scheduler' is a list of 1 entries"),
    ],
)
def test_unknown_options(key, message):
    with pytest.raises(ValueError, match=f'grid.py, row 2: .*{key}.*{message}'):
        check_options(Config(CONFIG), {key: 1}, 'grid.py, row 2')


def test_names_beside_each_other():
    assert nearest_name('sed', ['seed', 'x']) == "did you mean 'seed'?"
    assert nearest_name('q', ['b', 'a']) == 'there are a, b'
