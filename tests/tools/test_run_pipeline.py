"""A small experiment from tags to a segmentation network, stopped in the middle, and what a
pipeline says when a stage fails.
"""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from mmwsss.apis import pipeline
from mmwsss.utils.io import read_json
from tests.tools.program import (
    CONFIGS,
    TOOLS,
    environment,
    one_line,
    run_tool,
    tools_in_process,
    words,
)

EPOCHS = 9
# a program that writes configs as this process does (conftest.py): a config of another text would
# start its stage anew
PLAIN_CONFIGS = """
import runpy, sys
from yapf.yapflib import yapf_api
yapf_api.FormatCode = lambda text, **_: (text, True)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""
CONFIG = """
classes = ('background', 'kite', 'boat', 'lamp', 'tree', 'robot', 'fish', 'car', 'house')
data = '{data}'
stages = [
    dict(name='classifier', tool='train.py', args=['{{configs}}/mctformer_plus_toy.py',
         '--work-dir', '{{classifier}}', '--cfg-options', {classifier}]),
    dict(name='cams', tool='generate_cams.py', args=['{{configs}}/mctformer_plus_toy.py',
         '{{classifier.checkpoint}}', '--split', 'train', '--out', '{{cams}}', '--half',
         '--cfg-options', {classifier}]),
    dict(name='masks', tool='refine_cams.py', args=['--cams', '{{cams}}', '--images',
         f'{{data}}/JPEGImages', '--out', '{{masks}}', '--method', 'crf',
         '--background', '{{classifier:cam/best_threshold}}', '--workers', '0']),
    dict(name='mask_eval', tool='evaluate_masks.py', args=['--gt', f'{{data}}/SegmentationClass',
         '--list', f'{{data}}/ImageSets/Segmentation/train.txt', '--masks', '{{masks}}',
         '--classes', f'{{data}}/classes.txt',
         '--json', '{{mask_eval}}/metrics.json', '--workers', '1']),
    dict(name='segmentation', tool='train.py', args=['{{configs}}/deeplabv3plus_r18_toy_pseudo.py',
         '--work-dir', '{{segmentation}}', '--cfg-options', {segmentor},
         'train_dataloader.dataset.data_prefix.pseudo_mask_path={{masks}}']),
]
results = dict(cam='classifier', mask='mask_eval', seg='segmentation')
report = dict(samples=dict(
    list=f'{{data}}/ImageSets/Segmentation/train.txt', images=f'{{data}}/JPEGImages',
    tags=f'{{data}}/image_tags.csv',
    gt=f'{{data}}/SegmentationClass', cams='{{cams}}', mask='{{masks}}', classes=classes, num=3))
"""


@pytest.fixture(autouse=True)
def same_signal_handler():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def tiny_pipeline(folder, classifier, segmentor):
    training = {
        **classifier.options,
        'train_cfg.max_epochs': EPOCHS,
        'train_cfg.val_interval': EPOCHS,
    }
    segmentation = {
        key: value for key, value in segmentor.options.items() if 'pseudo_mask_path' not in key
    }
    texts = [
        ', '.join(map(repr, words(options=options)[1:])) for options in (training, segmentation)
    ]
    (folder / 'tiny.py').write_text(
        CONFIG.format(data=classifier.options['data_root'], classifier=texts[0], segmentor=texts[1])
    )
    return folder / 'tiny.py'


def wait_for(path, process):
    """Wait until a process has written a file, for as long as it runs."""
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def children(pid):
    """Processes started by a process (Linux)."""
    return [int(child) for child in open(f'/proc/{pid}/task/{pid}/children').read().split()]


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='looks at processes in /proc')
def test_stopped_and_started_again(classifier, segmentor, tmp_path, monkeypatch):
    """The first stage runs in a process of its own until it is stopped; what is left runs here."""
    config, work = tiny_pipeline(tmp_path, classifier, segmentor), tmp_path / 'work'
    arguments = TOOLS / 'run_pipeline.py', config, '--work-dir', work
    command = words(sys.executable, '-c', PLAIN_CONFIGS, *arguments)
    process = subprocess.Popen(
        command,
        env=environment(),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_for(work / 'classifier' / 'last_checkpoint', process)
    stages = children(process.pid)
    process.terminate()
    process.communicate()
    assert (
        process.returncode == 128 + signal.SIGTERM and stages and not any(map(is_running, stages))
    )
    assert read_json(work / 'classifier' / 'stage.json')['status'] == 'running'
    assert (
        not (work / 'classifier' / f'epoch_{EPOCHS}.pth').exists() and not (work / 'cams').exists()
    )

    tools_in_process(monkeypatch, pipeline)
    result = run_tool('run_pipeline.py', config, '--work-dir', work)
    assert result.code == 0, result
    log = (work / 'classifier' / 'stage.log').read_text()
    assert (
        log.count('Epoch(train) [1][2/2]') == 1
        and 'resumed epoch: ' in log
        and f'Epoch(train) [{EPOCHS}][2/2]' in log
    )
    metrics = read_json(work / 'metrics.json')
    for key, stage in (
        ('cam/mIoU', 'classifier'),
        ('mask/mIoU', 'mask_eval'),
        ('seg/mIoU', 'segmentation'),
    ):
        assert (
            metrics[key] == read_json(work / stage / 'metrics.json')[key]
            and f'{metrics[key]:.2f}' in result.out
        )
    assert metrics['protocol']['cam']['split'] == metrics['protocol']['seg']['split'] == 'val'
    assert metrics['protocol']['mask']['split'] == 'train' and metrics['seconds'] > 0
    assert (
        len(list((work / 'masks').glob('*.png'))) == len(list((work / 'cams').glob('*.npz'))) == 8
    )
    report = (work / 'report.html').read_text()
    assert 'train_00000' in report and report.count('data:image/') > 10
    # the plot library names pages of its own in its code; the page itself loads nothing
    markup = re.sub(r'(<script[^>]*>).*?</script>', r'\1', report, flags=re.DOTALL)
    assert '="http' not in markup

    times = {path: path.stat().st_mtime_ns for path in work.rglob('*.*') if path.parent != work}
    result = run_tool('run_pipeline.py', config, '--work-dir', work)
    assert result.code == 0 and result.out.count('done before') == 5
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_a_failing_stage_is_named(tmp_path):
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools' / 'broken.py').write_text(
        "raise SystemExit('error: data/photos: no such folder')"
    )
    (tmp_path / 'configs' / 'mine.py').write_text(
        "stages = [dict(name='first', tool='broken.py', args=[])]"
    )
    result = run_tool(
        'run_pipeline.py', tmp_path / 'configs' / 'mine.py', '--work-dir', tmp_path / 'work'
    )
    one_line(
        result, 'stage first failed with exit code 1', tmp_path / 'work' / 'first' / 'stage.log'
    )
    assert (
        'data/photos: no such folder' in result.out
        and not (tmp_path / 'work' / 'metrics.json').exists()
    )


def test_bad_input(tmp_path):
    one_line(run_tool('run_pipeline.py', tmp_path / 'missing.py'), 'missing.py: config not found')
    one_line(
        run_tool('run_pipeline.py', CONFIGS / 'mctformer_plus_toy.py'),
        'mctformer_plus_toy.py: has no stages',
    )
    toy = CONFIGS / 'pipelines' / 'mctformer_plus_toy.py'
    one_line(
        run_tool('run_pipeline.py', toy, '--from', 'last', '--work-dir', tmp_path / 'work'),
        '--from last is not a stage',
        'classifier',
    )
    assert not (tmp_path / 'work').exists()
    assert run_tool('run_pipeline.py').code == 2


def test_missing_weights_are_found_before_heavy_imports(tmp_path):
    """A dry run without weights reads configs, but imports neither PyTorch nor OpenMMLab's
    packages, which takes seconds.
    """
    config = CONFIGS / 'pipelines' / 'mctformer_plus_voc.py'
    command = words(
        sys.executable, '-X', 'importtime', TOOLS / 'run_pipeline.py', config, '--dry-run'
    )
    variables = dict(environment(), MMWSSS_OFFLINE='1', TORCH_HOME=str(tmp_path))
    result = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1 and '[1/' in result.stdout, result.stdout
    errors = [line for line in result.stderr.splitlines() if line.startswith('error: ')]
    assert len(errors) == 1 and 'deit_small' in errors[0] and 'res38_cls.pth' in errors[0], errors
    assert f'put it at {tmp_path}/hub/checkpoints/deit_small' in errors[0]
    imported = re.findall(r'^import time: .*\| +([\w.]+)$', result.stderr, re.MULTILINE)
    packages = {name.partition('.')[0] for name in imported}
    assert 'mmengine' in packages and len(imported) < 1000
    heavy = {'torch', 'torchvision', 'mmcv', 'mmseg', 'mmpretrain', 'cv2', 'scipy', 'matplotlib'}
    assert not heavy & packages
