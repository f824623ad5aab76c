"""Components defined in a file outside the package work in every tool."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmwsss.apis.pipeline import Pipeline
from mmwsss.registry import MODELS, RECIPES, REFINERS
from mmwsss.utils.compat import load_weights_only
from mmwsss.utils.io import read_cam, read_json, read_mask
from tests.tools.conftest import train
from tests.tools.program import CONFIGS, TINY, one_line, run_tool

MODULE = 'own_parts'  # beside the config of the fixture `own`
CONFIG = """
_base_ = '{base}'
custom_imports = dict(imports=['own_parts'], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type='mmwsss.OwnSingleStage',
    num_classes=8,
    backbone=dict(type='mmwsss.OwnBackbone', embed_dims=16),
    tag_loss=dict(type='mmwsss.OwnTagLoss', scale=3.0),
    decode_head=dict(channels=16, dilation=2),
    loss_weights=dict(energy=0.0),
    pseudo_label=dict(par=dict(num_iters=1), scales=(1.0,), downscale=2),
    test_cfg=dict(scales=(1.0,)),
)
refiner = dict(type='own_refiner', width=5, background=0.3)
"""
OPTIONS = {
    **TINY,
    'train_cfg.max_iters': 2,
    'train_cfg.val_interval': 2,
    'default_hooks.checkpoint.interval': 2,
    'default_hooks.logger.interval': 1,
    'param_scheduler.0.warmup': 1,
    'param_scheduler.0.end': 2,
}


@pytest.fixture(scope='module')
def own(toy_root, tmp_path_factory):
    """Two iterations of the user's own single-stage method; config and module lie in one folder."""
    folder = tmp_path_factory.mktemp('own')
    shutil.copy(Path(__file__).with_name('own_components.py'), folder / 'own_parts.py')
    config = folder / 'own_method_toy.py'
    config.write_text(CONFIG.format(base=CONFIGS / 'mcc_toy.py'))
    yield train(config, folder / 'run', {**OPTIONS, 'data_root': toy_root})
    # other tests count what is registered
    sys.modules.pop(MODULE)
    sys.path.remove(str(folder))
    for entry in (MODELS, RECIPES, REFINERS):
        for name, component in list(entry.module_dict.items()):
            if component.__module__ == MODULE:
                del entry.module_dict[name]


@pytest.fixture(scope='module')
def cams(own, tmp_path_factory):
    """CAM files of the training images."""
    folder = tmp_path_factory.mktemp('own_cams')
    result = run_tool(
        'generate_cams.py',
        own.config,
        own.checkpoint,
        '--split',
        'train',
        '--out',
        folder,
        options=own.options,
    )
    assert result.code == 0, result
    return folder


def test_training_and_testing(own, tmp_path):
    log = next(own.folder.glob('*/*.log')).read_text()
    assert 'loss_agree: 0.' in log and 'loss_cls: ' in log
    state = load_weights_only(own.checkpoint, map_location='cpu')['state_dict']
    assert 'backbone.second.weight' in state
    result = run_tool(
        'test.py', own.config, own.checkpoint, '--work-dir', tmp_path, options=own.options
    )
    assert result.code == 0, result
    assert {'seg/mIoU', 'cam/mIoU'} <= set(read_json(tmp_path / 'metrics.json'))


@pytest.mark.parametrize('where', ['config', 'options'])
def test_refiner(where, own, cams, toy_root, tmp_path):
    """Named by the config, or imported by ``--cfg-options`` and named by ``--method``."""
    arguments = ['--config', own.config]
    if where == 'options':
        arguments = ['--method', 'own_refiner', '--background', '0.3', '--cfg-options']
        arguments += [f'custom_imports={MODULE}', 'refiner.width=5']
    result = run_tool(
        'refine_cams.py',
        '--cams',
        cams,
        '--images',
        toy_root / 'JPEGImages',
        '--out',
        tmp_path / 'masks',
        '--workers',
        0,
        *arguments,
    )
    assert result.code == 0, result
    for path in sorted(cams.glob('*.npz')):
        maps = read_cam(path)
        seeds = torch.from_numpy(maps.cam.astype(np.float32))
        seeds = torch.cat([torch.full((1, *maps.size), 0.3), seeds])
        best = F.avg_pool2d(seeds[None], 5, 1, 2)[0].argmax(0)
        expected = np.asarray([0, *(maps.keys.astype(int) + 1)])[best]
        np.testing.assert_array_equal(read_mask(tmp_path / 'masks' / f'{path.stem}.png'), expected)
    settings = read_json(tmp_path / 'masks' / 'settings.json')
    assert settings['method'] == 'own_refiner' and settings['width'] == 5


def test_refiner_of_a_pipeline(own, cams, toy_root, tmp_path):
    """The stage passes options and module to the tool, which finds it beside the config."""
    config = Path(own.config).with_name('own_pipeline.py')
    config.write_text(
        "custom_imports = dict(imports=['own_parts'], allow_failed_imports=False)\n"
        "dataset = dict(root=None)\nrecipe = dict(type='own_masks', cams=None, width=None)\n"
        "stage_args = dict(masks=['--workers', '0'])\n"
    )
    options = {'dataset.root': str(toy_root), 'recipe.cams': str(cams), 'recipe.width': 5}
    pipeline = Pipeline(config, work_dir=tmp_path, options=options)
    pipeline.run()
    settings = read_json(tmp_path / 'masks' / 'settings.json')
    assert settings['method'] == 'own_refiner' and settings['width'] == 5
    assert len(list((tmp_path / 'masks').glob('*.png'))) == len(list(cams.glob('*.npz')))


def test_cam_method_beside_the_others(own, classifier, tmp_path):
    result = run_tool(
        'analysis_tools/compare_cams.py',
        classifier.config,
        classifier.checkpoint,
        '--methods',
        'class_attention',
        'OwnCAM',
        '--out',
        tmp_path,
        '--workers',
        0,
        '--device',
        'cpu',
        options={**classifier.options, 'custom_imports': MODULE},
    )
    assert result.code == 0, result
    methods = read_json(tmp_path / 'compare_cams.json')['methods']
    assert set(methods) == {'class_attention', 'OwnCAM'}
    assert all(0 <= row['mIoU'] <= 100 for row in methods.values())


def test_maps_of_an_own_single_stage_method(own, tmp_path):
    """Its maps are those of the config; CAM methods of other networks are refused with a reason."""
    result = run_tool(
        'analysis_tools/compare_cams.py',
        own.config,
        own.checkpoint,
        '--methods',
        'config',
        'OwnCAM',
        '--out',
        tmp_path,
        '--workers',
        0,
        '--device',
        'cpu',
        options=own.options,
    )
    assert result.code == 0, result
    report = read_json(tmp_path / 'compare_cams.json')
    assert set(report['methods']) == {'config'}
    assert (
        'OwnSingleStage computes maps from its own classifiers' in report['not_possible']['OwnCAM']
    )


def test_module_that_cannot_be_imported(own, tmp_path):
    one_line(
        run_tool('train.py', own.config, options={'custom_imports': 'no_such_module'}),
        'custom_imports: no_such_module cannot be imported',
        own.folder.parent,
    )
