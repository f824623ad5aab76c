"""CoSA from the command line: training, both protocols, exported maps."""

import numpy as np
import pytest

from mmwsss.utils.io import read_cam, read_id_list, read_json
from tests.tools.conftest import train
from tests.tools.program import TINY, run_tool

SMALL = {
    **TINY,
    'model.backbone.arch.num_layers': 2,
    'model.backbone.arch.embed_dims': 32,
    'model.loss_starts.seg': 1,
    'model.loss_starts.cam': 1,
    'model.loss_starts.separation': 1,
    'train_cfg.max_iters': 2,
    'train_cfg.val_interval': 2,
    'default_hooks.checkpoint.interval': 2,
    'param_scheduler.0.warmup': 1,
    'param_scheduler.0.end': 2,
}


@pytest.fixture(scope='module')
def network(toy_root, tmp_path_factory):
    """Two iterations of the profile of the paper on the toy shapes."""
    return train(
        'cosa-paper_toy.py',
        tmp_path_factory.mktemp('cosa') / 'run',
        {**SMALL, 'data_root': toy_root},
    )


@pytest.mark.parametrize('squashed', [False, True])
def test_both_numbers_at_both_sizes(network, tmp_path, squashed):
    result = run_tool(
        'test.py',
        network.config,
        network.checkpoint,
        '--work-dir',
        tmp_path,
        *(['--tta'] if squashed else []),
        options=network.options,
    )
    assert result.code == 0, result
    metrics = read_json(tmp_path / 'metrics.json')
    assert list(metrics).index('seg/mIoU') < list(metrics).index('seg/mIoU_image_tags')
    assert (
        metrics['seg/mIoU'] <= metrics['seg/mIoU_image_tags'] + 5
        and metrics['protocol']['seg']['use_image_tags']
    )


def test_exported_maps(network, toy_root, tmp_path):
    maps = {}
    for export in ('main', 'aux', 'ensemble'):
        result = run_tool(
            'generate_cams.py',
            network.config,
            network.checkpoint,
            '--split',
            'train',
            '--out',
            tmp_path / export,
            options={**network.options, 'model.test_cfg.export': export},
        )
        assert result.code == 0, result
        name = read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'train.txt')[0]
        maps[export] = read_cam(tmp_path / export / f'{name}.npz')
    np.testing.assert_allclose(
        maps['ensemble'].cam, (maps['main'].cam + maps['aux'].cam) / 2, atol=1e-5
    )
    assert list(maps['ensemble'].keys) == list(maps['main'].keys)
