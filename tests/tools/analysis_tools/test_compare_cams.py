"""compare_cams: every CAM method on one checkpoint, as a table and as pictures."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.models.cams import cam_methods
from mmwsss.utils.io import read_json
from tests.tools.conftest import train
from tests.tools.program import TINY, one_line, run_tool
from tools.analysis_tools.compare_cams import METHODS

EVERY = (
    'config',
    'class_attention',
    'cam',
    'ts_cam',
    'ts_cam_relu',
    'grad_cam',
    'grad_cam_token',
    'generic',
    'generic+aff',
    'cam_grad',
    'grad_s',
    'cam_grad_s',
    'acr_star',
    'acr',
)


@pytest.fixture(scope='module')
def acr(toy_root, tmp_path_factory):
    """Two epochs of the toy config with two layers."""
    options = {
        **TINY,
        'data_root': toy_root,
        'model.backbone.arch.num_layers': 2,
        'train_cfg.max_epochs': 2,
        'train_cfg.val_interval': 2,
    }
    return train('acr_toy.py', tmp_path_factory.mktemp('acr') / 'run', options)


def compare(run, out, *args):
    return run_tool(
        'analysis_tools/compare_cams.py',
        run.config,
        run.checkpoint,
        '--out',
        out,
        '--workers',
        0,
        '--device',
        'cpu',
        *args,
        options=run.options,
    )


def test_the_help_lists_every_method():
    # other tests may have registered methods of their own
    own = [name for name, config in cam_methods().items() if name not in config['type']]
    assert sorted(METHODS) == sorted(own)


def test_acr(acr, tmp_path):
    """Every method of Table 5; ACR's own maps are those of the config, refined here."""
    result = compare(acr, tmp_path)
    assert result.code == 0, result
    rows = {
        line.split('|')[1].strip(): line for line in result.out.splitlines() if line.startswith('|')
    }
    assert set(EVERY) <= set(rows) and 'acr_toy, 2 images, cpu' in result.out
    data = read_json(tmp_path / 'compare_cams.json')
    assert (
        set(data['methods']) == set(EVERY)
        and data['not_possible'] == {}
        and data['num_images'] == 2
    )
    for name, row in data['methods'].items():
        assert (
            set(row) == {'mIoU', 'FP', 'FN', 'threshold', 'images_per_s', 'MiB'}
            and 0 <= row['mIoU'] <= 100
            and row['images_per_s'] > 0
        )
        assert f'{row["mIoU"]:.2f}' in rows[name]
    assert data['methods']['config']['mIoU'] == pytest.approx(data['methods']['acr']['mIoU'])
    picture = np.asarray(Image.open(tmp_path / 'cams.png'))
    assert picture.shape[1] >= (2 + len(EVERY)) * 160


def test_mctformer_plus(classifier, tmp_path):
    """A network with a token per class; its own maps stay what its test program reports."""
    result = compare(
        classifier,
        tmp_path,
        '--methods',
        'config',
        'cam',
        'acr',
        'cam+aff',
        '--num',
        1,
        '--pictures',
        1,
    )
    assert result.code == 0, result
    data = read_json(tmp_path / 'compare_cams.json')
    assert list(data['methods']) == ['config', 'cam', 'acr', 'cam+aff'] and data['num_images'] == 1


def test_aream(classifier, tmp_path):
    """It has the weights of MCTformer+."""
    run = classifier._replace(options={**classifier.options, 'model.type': 'mmwsss.AReAM'})
    assert compare(run, tmp_path).code == 0
    data = read_json(tmp_path / 'compare_cams.json')
    assert set(data['methods']) == set(EVERY) and data['not_possible'] == {}


def test_what_a_network_cannot_do_is_said(classifier, acr, tmp_path):
    # V1, without patch scores
    run = classifier._replace(options={**classifier.options, 'model.type': 'mmwsss.MCTformer'})
    result = compare(run, tmp_path, '--methods', 'cam', 'class_attention')
    assert result.code == 0 and 'cam: MCTformer does not score patches' in result.out
    assert list(read_json(tmp_path / 'compare_cams.json')['methods']) == ['class_attention']
    assert one_line(compare(run, tmp_path, '--methods', 'cam', 'ts_cam'), 'does not score patches')
    assert one_line(compare(acr, tmp_path, '--methods', 'camm'), 'unknown', 'camm', 'grad_cam')
    assert one_line(compare(acr, tmp_path, '--methods', 'cam+crf'), 'cam+crf')
    assert one_line(
        run_tool(
            'analysis_tools/compare_cams.py', acr.config, tmp_path / 'no.pth', options=acr.options
        ),
        'no.pth',
    )


def test_test_program_agrees(acr, tmp_path):
    """The row `config` is what tools/test.py measures."""
    result = run_tool(
        'test.py', acr.config, acr.checkpoint, '--work-dir', tmp_path / 'test', options=acr.options
    )
    assert result.code == 0, result
    assert compare(acr, tmp_path, '--methods', 'config', '--pictures', 0).code == 0
    measured = read_json(tmp_path / 'test' / 'metrics.json')['cam/mIoU']
    assert read_json(tmp_path / 'compare_cams.json')['methods']['config']['mIoU'] == pytest.approx(
        measured
    )
    assert not (tmp_path / 'cams.png').exists()
