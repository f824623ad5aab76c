"""Training from the command line."""

import re
import socket
import subprocess
from pathlib import Path

import pytest
import torch

from mmwsss.apis import vis
from mmwsss.utils.io import read_json
from tests.datasets.voc_tree import make_voc_tree
from tests.tools.program import CONFIGS, TINY, TOOLS, environment, one_line, run_tool, words

TOY = CONFIGS / 'mctformer_plus_toy.py'
TINY_VOC = """
_base_ = '{config}'
arch = dict(_delete_=True, embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=64)
model = dict(backbone=dict(arch=arch, {init_cfg}))
del arch
train_dataloader = dict(batch_size=2)
train_cfg = dict(max_epochs=2, val_interval=2)
"""


def tiny_voc(folder, init_cfg='init_cfg=None'):
    """The VOC config with a small network; its data set is real but for its size."""
    (folder / 'mctformer_plus_voc_tiny.py').write_text(
        TINY_VOC.format(config=CONFIGS / 'mctformer_plus_voc.py', init_cfg=init_cfg)
    )
    return folder / 'mctformer_plus_voc_tiny.py'


def test_files_of_a_run(classifier):
    folder = classifier.folder
    assert (
        classifier.checkpoint == str(folder / 'epoch_2.pth') and (folder / 'epoch_1.pth').is_file()
    )
    environment = read_json(folder / 'environment.json')
    assert environment['seed'] == 0 and environment['versions']['torch'] == torch.__version__
    metrics = read_json(folder / 'metrics.json')
    assert 0 < metrics['cam/mIoU'] < 100 and 0 <= metrics['tags/mAP'] <= 100
    assert metrics['protocol']['loop'] == 'val' and metrics['protocol']['cam']['split'] == 'val'
    assert len(read_json(folder / 'curves.json')['cam']['mIoU']) == 100
    checkpoint = torch.load(classifier.checkpoint, map_location='cpu', weights_only=False)
    assert checkpoint['meta']['dataset_meta']['classes'][:2] == ('background', 'kite')


def test_segmentation(segmentor):
    metrics = read_json(segmentor.folder / 'metrics.json')
    assert 0 <= metrics['seg/mIoU'] <= 100 and metrics['protocol']['seg']['split'] == 'val'


def test_resume(classifier, tmp_path):
    """A third epoch after two, as if there had been no break; then nothing is left to do."""
    for checkpoint in ('epoch_2.pth', 'last_checkpoint'):
        (tmp_path / checkpoint).write_bytes((classifier.folder / checkpoint).read_bytes())
    options = {
        **classifier.options,
        'train_cfg.max_epochs': 3,
        'val_cfg': None,
        'val_dataloader': None,
        'val_evaluator': None,
    }
    assert run_tool('train.py', TOY, '--work-dir', tmp_path / 'whole', options=options).code == 0
    whole = torch.load(tmp_path / 'whole' / 'epoch_3.pth', map_location='cpu', weights_only=False)
    for resume, done in (
        (['--resume', tmp_path / 'epoch_2.pth'], 'Epoch(train) [3][2/2]'),
        (['--resume'], 'resumed epoch: 3'),
    ):
        result = run_tool('train.py', TOY, '--work-dir', tmp_path, *resume, options=options)
        assert result.code == 0 and 'Epoch(train) [2]' not in result.out, result
        assert done in result.out
    checkpoint = torch.load(tmp_path / 'epoch_3.pth', map_location='cpu', weights_only=False)
    assert checkpoint['meta']['epoch'] == 3 and checkpoint['meta']['iter'] == 6
    assert all(
        torch.equal(weight, checkpoint['state_dict'][name])
        for name, weight in whole['state_dict'].items()
    )
    assert {int(state['step']) for state in checkpoint['optimizer']['state'].values()} == {6}
    one_line(
        run_tool(
            'train.py',
            TOY,
            '--work-dir',
            tmp_path,
            '--resume',
            tmp_path / 'epoch_9.pth',
            options=options,
        ),
        'epoch_9.pth',
    )


def test_voc(tmp_path):
    """The VOC config from data set to CAM sweep, but for the sizes of network and data set."""
    options = {
        **TINY,
        'data_root': make_voc_tree(tmp_path / 'VOC2012', (48, 64)),
        'train_dataloader.batch_size': 2,
    }
    result = run_tool(
        'train.py',
        tiny_voc(tmp_path),
        '--work-dir',
        tmp_path / 'run',
        '--auto-scale-lr',
        options=options,
    )
    assert result.code == 0, result
    assert '2 images, VOC 2012 train_aug has 10582' in result.out
    metrics = read_json(tmp_path / 'run' / 'metrics.json')
    assert (
        metrics['protocol']['cam']['split'] == 'train'
        and metrics['protocol']['cam']['num_thresholds'] == 60
    )
    assert (
        set(metrics['cam/IoU']) >= {'background', 'aeroplane', 'tvmonitor'}
        and len(metrics['cam/IoU']) == 21
    )
    assert 'total batch 2 (recipe: 32) = 2 images x 1 processes x 1 accumulated' in result.out
    assert 'learning rate 1.95313e-06 (recipe: 3.125e-05)' in result.out
    assert 'updates 2 (recipe: 0)' in result.out
    assert 'the total batch is 2, not 32 as in the recipe (--auto-scale-lr)' in result.out
    # 1e-6 in both epochs, which is below the base rate of the config scaled from batch 32 to 2
    assert len(re.findall(r'\blr: 1\.0000e-06', result.out)) == 2


def test_weights_that_cannot_be_downloaded(tmp_path):
    url = 'http://127.0.0.1:9/deit_small.pth'
    config = tiny_voc(tmp_path, f"init_cfg=dict(type='Pretrained', checkpoint='{url}')")
    options = {
        **TINY,
        'data_root': make_voc_tree(tmp_path / 'VOC2012', (48, 64)),
        'train_dataloader.batch_size': 2,
    }
    result = run_tool('train.py', config, '--work-dir', tmp_path / 'run', options=options)
    one_line(result, url, Path(torch.hub.get_dir()) / 'checkpoints' / 'deit_small.pth')


def few_lines(result, *parts):
    """The one line is not at the end of hundreds that list environment, config and hooks."""
    assert len([*result.out.splitlines(), *result.err.splitlines()]) <= 4, result.out
    one_line(result, *parts)


@pytest.mark.parametrize(
    'config, parts',
    [
        (
            'mctformer_plus_voc.py',
            ['data/VOCdevkit/VOC2012', 'train_aug.txt', 'host.robots.ox.ac.uk'],
        ),
        ('mctformer_v2_coco.py', ['data/coco14', 'train.txt', 'cocodataset.org']),
        ('mctformer_plus_tags.py', ['data/my_photos', 'classes.txt']),
        ('msrc21/mctformer_plus_msrc21.py', ['data/msrc21', 'classes.txt']),
    ],
)
def test_missing_data(config, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few_lines(run_tool('train.py', CONFIGS / config, options={}), *parts)


@pytest.mark.parametrize(
    'options, parts',
    [
        (
            {'model.num_classes': 5},
            ['mctformer_plus_toy.py', 'the model has 5 classes, the data set 8', 'num_classes'],
        ),
        (
            {'train_dataloader.batch_size': 9},
            ['mctformer_plus_toy.py', '8 images', 'batch_size', 'drop_last'],
        ),
        ({'model.colour': 3}, ['mctformer_plus_toy.py', 'colour']),
        ({'model.test_cfg.colour': 3}, ['model.test_cfg has no option', 'colour']),
        ({'model.type': 'mmwsss.Missing'}, ['mctformer_plus_toy.py', 'Missing']),
        ({'optim_wrapper.optimizer.colour': 3}, ['mctformer_plus_toy.py', 'colour']),
        ({'val_evaluator': 'dict(type=mmwsss.Missing)'}, ['mctformer_plus_toy.py']),
        ({'default_scope.colour': 3}, ['mctformer_plus_toy.py', 'default_scope.colour']),
        ({'load_from': 'missing.pth'}, ['missing.pth']),
    ],
)
def test_mistakes_in_the_config(options, parts, classifier, tmp_path):
    result = run_tool(
        'train.py', TOY, '--work-dir', tmp_path, options={**classifier.options, **options}
    )
    few_lines(result, *parts)


def test_wrong_number_of_classes_of_a_segmentation_network(segmentor, tmp_path):
    options = {**segmentor.options, 'model.decode_head.num_classes': 5}
    one_line(
        run_tool('train.py', segmentor.config, '--work-dir', tmp_path, options=options),
        'deeplabv3plus_r18_toy_pseudo.py',
        'the model has 5 classes, the data set 9',
    )


def test_other_mistakes(classifier, tmp_path):
    one_line(run_tool('train.py', tmp_path / 'missing.py'), 'missing.py: config not found')
    (tmp_path / 'broken.py').write_text('model = dict(')
    one_line(run_tool('train.py', tmp_path / 'broken.py'), 'broken.py: not a valid config')
    one_line(
        run_tool('train.py', TOY, '--launcher', 'pytorch', options={}),
        '--launcher pytorch',
        'tools/dist_train.sh',
    )
    options = {'optim_wrapper.accumulative_counts': 3}
    one_line(
        run_tool('train.py', TOY, options=options),
        'mctformer_plus_toy.py: total_batch_size=32 cannot be divided by 1 processes x 3',
        '--batch-size-per-gpu',
    )
    if not torch.cuda.is_available():
        one_line(run_tool('train.py', TOY, '--amp', options={}), '--amp needs a GPU')
    result = run_tool('train.py', TOY, '--colour', '3')
    assert result.code == 2 and 'unrecognized arguments: --colour' in result.err


def test_two_processes(classifier, toy_root, tmp_path):
    """dist_train.sh trains; dist_test.sh then gives exactly the metrics of one process."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        variables = dict(environment(), PORT=str(free.getsockname()[1]), CUDA_VISIBLE_DEVICES='')
    options = {
        **classifier.options,
        'train_dataloader.batch_size': 2,
        'val_cfg': None,
        'val_dataloader': None,
        'val_evaluator': None,
    }
    run = tmp_path / 'run'
    command = words(TOOLS / 'dist_train.sh', TOY, 2, '--work-dir', run, options=options)
    result = subprocess.run(
        command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert 'Epoch(train) [2][2/2]' in result.stdout and (run / 'epoch_2.pth').is_file()

    command = words(
        TOOLS / 'dist_test.sh',
        TOY,
        run / 'epoch_2.pth',
        2,
        '--work-dir',
        tmp_path / 'two',
        '--out',
        tmp_path / 'two' / 'cams',
        '--split',
        'val',
        options=classifier.options,
    )
    result = subprocess.run(
        command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    one = run_tool(
        'test.py',
        TOY,
        run / 'epoch_2.pth',
        '--work-dir',
        tmp_path / 'one',
        '--split',
        'val',
        options=classifier.options,
    )
    assert one.code == 0, one
    assert read_json(tmp_path / 'two' / 'metrics.json') == read_json(
        tmp_path / 'one' / 'metrics.json'
    )
    assert len(list((tmp_path / 'two' / 'cams').glob('*.npz'))) == 3


def test_mistakes_before_anything_is_built(tmp_path, monkeypatch):
    """One line each, and no work dir."""
    monkeypatch.setattr(vis, 'find_spec', lambda name: None)
    folder = tmp_path / 'run'
    arguments = CONFIGS / 'mctformer_plus_toy.py', '--work-dir', folder
    result = run_tool('train.py', *arguments, '--vis', 'tensorboard')
    one_line(result, '--vis tensorboard needs', 'pip install tensorboard')
    assert len(result.err.splitlines()) == 1
    result = run_tool('train.py', *arguments, '--cfg-options', 'data_root')
    assert result.code == 2
    assert "--cfg-options: expected key=value, found 'data_root'" in result.err.splitlines()[-1]
    assert run_tool('train.py', *arguments, '--vis', 'excel').code == 2
    assert not folder.exists()
