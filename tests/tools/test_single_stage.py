"""Single-stage networks from the command line: one training run, then masks, CAMs, scales and
CRF.
"""

import pytest
import torch

from mmwsss.engine.loops import CRFTestLoop
from mmwsss.evaluation.protocols import PROTOCOLS
from mmwsss.utils.io import read_cam, read_id_list, read_json, read_mask
from tests.tools.conftest import train
from tests.tools.program import TINY, run_tool

SMALL = {
    **TINY,
    'model.backbone.arch.num_layers': 2,
    'model.backbone.arch.embed_dims': 32,
    'model.num_masks': 2,
    'model.loss_starts.affinity': 0,
    'model.loss_starts.contrast': 0,
    'model.loss_starts.seg': 1,
    'model.pseudo_label.par.num_iters': 1,
    'train_cfg.max_iters': 2,
    'train_cfg.val_interval': 2,
    'default_hooks.checkpoint.interval': 2,
    'param_scheduler.0.warmup': 1,
    'param_scheduler.0.end': 2,
}
KEYS = {'seg/mIoU', 'cam/mIoU', 'aux_cam/mIoU', 'tags/F1_per_image'}


@pytest.fixture(scope='module')
def network(toy_root, tmp_path_factory):
    """Two iterations of MCC on the toy shapes."""
    return train(
        'mcc_toy.py', tmp_path_factory.mktemp('mcc') / 'run', {**SMALL, 'data_root': toy_root}
    )


def test_training_reports_everything(network):
    metrics = read_json(network.folder / 'metrics.json')
    assert set(metrics) >= KEYS and all(0 <= metrics[key] <= 100 for key in KEYS)
    assert (
        metrics['protocol']['cam']['tags']
        == metrics['protocol']['aux_cam']['tags']
        == 'ground truth'
    )
    assert [row['iteration'] for row in read_json(network.folder / 'validations.json')] == [2]


def test_masks_and_metrics(network, toy_root, tmp_path):
    result = run_tool(
        'test.py',
        network.config,
        network.checkpoint,
        '--work-dir',
        tmp_path,
        '--out',
        tmp_path / 'masks',
        options=network.options,
    )
    assert result.code == 0, result
    assert set(read_json(tmp_path / 'metrics.json')) >= KEYS
    ids = read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'test.txt')
    assert all(read_mask(tmp_path / 'masks' / f'{name}.png', 9).ndim == 2 for name in ids)


def test_scales_and_crf(network, toy_root, tmp_path, monkeypatch):
    """The number with image tags has a CRF of its own too."""
    run, used = CRFTestLoop.run, []
    monkeypatch.setattr(
        CRFTestLoop, 'run', lambda loop: used.append(loop.use_image_tags) or run(loop)
    )
    result = run_tool(
        'test.py',
        network.config,
        network.checkpoint,
        '--work-dir',
        tmp_path,
        '--tta',
        '--crf',
        'toco_test',
        options=network.options,
    )
    assert result.code == 0, result
    metrics = read_json(tmp_path / 'metrics.json')
    assert 'seg/mIoU_image_tags' in metrics and 'cam/mIoU' not in metrics and used == [True]


def test_cam_files(network, toy_root, tmp_path):
    command = 'generate_cams.py', network.config, network.checkpoint, '--split', 'train', '--out'
    result = run_tool(*command, tmp_path, options=network.options)
    assert result.code == 0, result
    ids = read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'train.txt')
    assert all(torch.as_tensor(read_cam(tmp_path / f'{name}.npz').cam).ndim == 3 for name in ids)
    result = run_tool(*command, tmp_path / 'masks', '--masks', '0.5', options=network.options)
    assert result.code == 0 and len(list((tmp_path / 'masks').glob('*.png'))) == len(ids), result


def test_protocol_with_image_tags(network, tmp_path, monkeypatch):
    """CoSA's protocol, smaller: both numbers, each with a CRF of its own."""
    smaller = PROTOCOLS['cosa-voc-val-crf']._replace(size=(48, 48), scales=(1.0,))
    monkeypatch.setitem(PROTOCOLS, 'cosa-voc-val-crf', smaller)
    result = run_tool(
        'test.py',
        network.config,
        network.checkpoint,
        '--work-dir',
        tmp_path,
        '--protocol',
        'cosa-voc-val-crf',
        '--out',
        tmp_path / 'masks',
        options=network.options,
    )
    assert result.code == 0, result
    metrics = read_json(tmp_path / 'metrics.json')
    assert (
        metrics['protocol']['seg']['name'].startswith('cosa-voc-val-crf (its rules')
        and metrics['protocol']['seg']['use_image_tags']
    )
    assert (
        0 <= metrics['seg/mIoU'] <= 100
        and 0 <= metrics['seg/mIoU_image_tags'] <= 100
        and 'cam/mIoU' not in metrics
    )
    assert list((tmp_path / 'masks').glob('*.png'))


def test_submission_without_tags(network, toy_root, tmp_path):
    """The images of a test server have neither masks nor tags."""
    root = tmp_path / 'untagged'
    root.mkdir()
    for folder in ('JPEGImages', 'ImageSets'):
        (root / folder).symlink_to(toy_root / folder)
    options = {**network.options, 'data_root': root, 'test_dataloader.dataset.tags_file': None}
    result = run_tool(
        'test.py',
        network.config,
        network.checkpoint,
        '--work-dir',
        tmp_path / 'log',
        '--submission',
        '--out',
        tmp_path / 'out',
        options=options,
    )
    assert result.code == 0, result
    ids = read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'test.txt')
    assert len(
        list((tmp_path / 'out' / 'results/VOC2012/Segmentation/comp6_test_cls').glob('*.png'))
    ) == len(ids)
    assert (tmp_path / 'out' / 'results.tar').is_file()
