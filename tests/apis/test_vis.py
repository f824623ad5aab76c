from importlib import util

import pytest
from mmengine.config import Config

from mmwsss.apis import vis


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(vis, 'find_spec', lambda name: None)
    with pytest.raises(ValueError, match='--vis wandb .*: pip install wandb'):
        vis.check_vis('wandb')
    monkeypatch.setattr(vis, 'find_spec', lambda name: util.find_spec('json'))
    vis.check_vis('wandb')


def test_backend_is_added_once():
    local = dict(type='mmengine.LocalVisBackend')
    config = Config(dict(visualizer=dict(type='mmengine.Visualizer', vis_backends=[local])))
    for _ in range(2):
        vis.add_vis(config, 'tensorboard')
    added = dict(type='mmengine.TensorboardVisBackend')
    assert config.visualizer.vis_backends == [local, added]
