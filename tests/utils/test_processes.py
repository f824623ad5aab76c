"""Files divided among processes: what several write is what one writes."""

import argparse
import json
import os

import numpy as np
import pytest
import torch

from mmwsss.apis import init_model
from mmwsss.utils.io import read_cam, read_id_list, read_mask, write_cam
from mmwsss.utils.processes import (
    Processes,
    _slurm_variables,
    add_launcher_argument,
    joined_processes,
    require_one_process,
)
from tests.distributed import run_distributed
from tests.tools.program import run_tool


def test_a_process_of_its_own():
    with joined_processes('none') as processes:
        assert processes == Processes() and processes.is_first
        assert processes.share('abc') == 'abc' and processes.from_first(lambda: 3) == 3
        processes.wait()
        assert processes.cores >= 1
        if not torch.cuda.is_available():
            assert processes.device() == torch.device('cpu')


def test_a_process_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    devices = [Processes(on_host_rank=rank).device() for rank in range(3)]
    assert [str(device) for device in devices] == ['cuda:0', 'cuda:1', 'cuda:0']
    assert Processes(on_host_rank=1).device('cpu') == torch.device('cpu')
    with pytest.raises(ValueError, match="device 'cuda:2': there are 2 GPUs, cuda:0 to cuda:1"):
        Processes().device('cuda:2')


def test_shares():
    names = list('abcdefg')
    parts = [Processes(rank, 3).share(names) for rank in range(3)]
    assert sorted(sum(parts, [])) == names and [len(part) for part in parts] == [3, 2, 2]
    assert Processes(on_host=10**6).cores == 1
    parser = argparse.ArgumentParser()
    add_launcher_argument(parser)
    assert parser.parse_args([]).launcher == 'none'


@pytest.mark.parametrize('launcher, program', [('pytorch', 'torchrun'), ('slurm', 'srun')])
def test_not_started_by_the_launcher(launcher, program, monkeypatch):
    for name in ('RANK', 'SLURM_PROCID'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match=f'--launcher {launcher} is for .* {program} starts'):
        with joined_processes(launcher):
            pass


def test_tasks_of_slurm(monkeypatch, tmp_path):
    """Variables of srun become those of torchrun; the first host of several is asked for."""
    for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT', 'LOCAL_RANK'):
        monkeypatch.delenv(name, raising=False)
    scontrol = tmp_path / 'scontrol'
    scontrol.write_text('#!/bin/sh\necho node3; echo node4\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    for name, value in dict(
        PROCID=5, NTASKS=8, LOCALID=1, JOB_ID=1000, STEP_ID=2, NNODES=2, NODELIST='node[3-4]'
    ).items():
        monkeypatch.setenv(f'SLURM_{name}', str(value))
    variables = _slurm_variables()
    assert variables['RANK'] == '5' and variables['WORLD_SIZE'] == '8'
    assert variables['MASTER_ADDR'] == 'node3' and variables['MASTER_PORT'] == '22002'
    monkeypatch.setenv('SLURM_NNODES', '1')
    assert _slurm_variables()['MASTER_ADDR'] == '127.0.0.1'


def work(rank, size, toy, cams, out):
    """The tools that work on many files, one after the other, as each of two processes."""
    images = ('--images', f'{toy}/JPEGImages')
    truth = ('--gt', f'{toy}/SegmentationClass', '--classes', f'{toy}/classes.txt')
    split = ('--list', f'{toy}/ImageSets/Segmentation/train.txt')
    common = ('--launcher', 'pytorch' if size > 1 else 'none', '--workers', 0)
    calls = [
        ('refine_cams.py', '--method', 'crf', '--cams', cams, *images, '--out', f'{out}/masks'),
        ('refine_cams.py', '--method', 'psa', '--cams', cams, *images, '--out', f'{out}/walks')
        + ('--config', cams.parent / 'psa.py', '--checkpoint', cams.parent / 'psa.pth')
        + ('--beta', 2, '--device', 'cpu'),
        (
            'make_affinity_labels.py',
            '--method',
            'irn',
            '--cams',
            cams,
            *images,
            '--out',
            f'{out}/l',
        ),
        ('evaluate_masks.py', '--masks', f'{out}/masks', *truth, *split)
        + ('--json', f'{out}/m.json'),
        ('evaluate_masks.py', '--cams', cams, *truth, *split, '--json', f'{out}/c.json'),
        ('sweep_refinement.py', '--method', 'threshold', '--values', 'background=0.2:0.8:0.1')
        + ('--cams', cams, *images, *truth, *split, '--out', f'{out}/sweep'),
    ]
    texts = []
    for call in calls:
        result = run_tool(*call, *common)
        assert result.code == 0, result
        texts.append(result.out.replace(str(out), ''))
    again = run_tool(*calls[0], '--background', '0.7', *common)  # of another run: refused
    failed = torch.tensor([again.code, again.err.count('error: ')])
    return dict(failed=failed, said=torch.tensor([bool(text.strip()) for text in texts]))


def save_affinity_network(folder):
    """Config and random weights of a small affinity network of PSA."""
    (folder / 'psa.py').write_text("""
model = dict(
    type='mmwsss.AffinityNet', data_preprocessor=dict(type='mmwsss.ViewsDataPreprocessor'),
    backbone=dict(type='mmwsss.PyramidResNet', depth=18, base_channels=4, stem_channels=4,
                  frozen_stages=-1), out_indices=(2, 3, 4), embed_channels=(4, 6, 8))
""")
    torch.manual_seed(0)
    model = init_model(folder / 'psa.py')
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), folder / 'psa.pth')


@pytest.mark.dist
def test_two_processes_write_what_one_writes(toy_root, tmp_path):
    rng = np.random.default_rng(0)
    for name in read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'train.txt'):
        gt = read_mask(toy_root / 'SegmentationClass' / f'{name}.png')
        keys = [int(key) for key in np.unique(gt) if 0 < key < 255]
        maps = [0.5 * (gt == key) + 0.5 * rng.random(gt.shape) for key in keys]
        maps = np.reshape(maps, (len(keys), *gt.shape)).astype(np.float16)
        write_cam(tmp_path / 'cams' / f'{name}.npz', [key - 1 for key in keys], maps, gt.shape)
    save_affinity_network(tmp_path)
    assert len(read_cam(tmp_path / 'cams' / f'{name}.npz').keys)
    one = work(0, 1, toy_root, tmp_path / 'cams', tmp_path / 'one')
    two = run_distributed(
        work, 2, tmp_path, toy_root, tmp_path / 'cams', tmp_path / 'two', start_method='fork'
    )
    assert one['said'].all() and two[0]['said'].all() and not two[1]['said'].any()
    assert [part['failed'].tolist() for part in (one, *two)] == [[1, 1], [1, 1], [1, 0]]
    files = sorted(path.relative_to(tmp_path / 'one') for path in (tmp_path / 'one').rglob('*.*'))
    assert len(files) > 32
    for file in files:
        ours, theirs = (tmp_path / folder / file for folder in ('one', 'two'))
        if file.suffix == '.json':
            assert json.loads(ours.read_text()) == json.loads(theirs.read_text()), file
        elif file.suffix == '.npz':
            with np.load(ours) as a, np.load(theirs) as b:
                np.testing.assert_array_equal(a['counts'], b['counts'])
        else:
            assert ours.read_bytes() == theirs.read_bytes(), file


@pytest.mark.parametrize('rank', ['0', '1'])
def test_tools_that_work_in_one_process(rank, monkeypatch, capsys):
    monkeypatch.setenv('RANK', rank)
    monkeypatch.setenv('WORLD_SIZE', '2')
    result = run_tool(
        'export_masks.py', 'masks', '--images', 'i', '--format', 'png', '--out', 'nowhere'
    )
    expected = 'works in one process, and a launcher has started 2: start it without the launcher'
    assert result.code == 1 and (expected in result.err) == (rank == '0')
    monkeypatch.setenv('WORLD_SIZE', '1')
    require_one_process()


@pytest.mark.parametrize('rank', ['0', '1'])
def test_a_launcher_without_its_option(rank, monkeypatch, capsys):
    monkeypatch.setenv('RANK', rank)
    monkeypatch.setenv('WORLD_SIZE', '2')
    result = run_tool('evaluate_masks.py', '--masks', 'p', '--gt', 'g', '--list', 'l.txt')
    assert result.code == 1 and ('2 processes of' in result.err) == (rank == '0')
