import json
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.device import get_device

from mmwsss import __version__
from mmwsss.utils import env
from mmwsss.utils.env import (
    check_device,
    collect_environment,
    emulates_bf16,
    git_state,
    write_environment,
)


def git(folder, *arguments):
    identity = [
        '-c',
        'user.name=a',
        '-c',
        'user.email=a@b.c',
        '-c',
        'commit.gpgsign=false',
        '-c',
        'core.hooksPath=/dev/null',
    ]
    return subprocess.run(
        ['git', '-C', str(folder), *identity, *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.setenv('GIT_CEILING_DIRECTORIES', str(tmp_path.parent))
    package = tmp_path / 'project' / 'package'
    package.mkdir(parents=True)
    (package / '__init__.py').write_text('')
    try:
        git(package.parent, 'init', '-q')
    except FileNotFoundError:
        pytest.skip('git is not installed')
    git(package.parent, 'add', '.')
    git(package.parent, 'commit', '-q', '-m', 'first')
    return package


def test_environment_holds_versions_and_hardware():
    found = collect_environment()
    assert found['versions']['python'] == platform.python_version()
    assert found['versions']['mmwsss'] == __version__
    assert (
        found['versions']['torch'] == torch.__version__
        and found['versions']['numpy'] == np.__version__
    )
    assert set(found['versions']) == {
        'python',
        'mmwsss',
        'torch',
        'mmengine',
        'mmcv',
        'mmseg',
        'mmpretrain',
        'numpy',
    }
    assert 1 <= found['cpu_count'] <= os.cpu_count()
    assert len(found['gpus']) == torch.cuda.device_count()
    assert found['git'] is None or set(found['git']) == {'commit', 'dirty'}


def test_compilers_are_mmengines(monkeypatch):
    found = collect_environment(compilers=True)['build']
    assert found['PyTorch'] == torch.__version__ and 'GCC' in found
    assert all(isinstance(value, str) for value in found.values())
    monkeypatch.setitem(sys.modules, 'distutils', None)
    assert 'pip install setuptools' in collect_environment(compilers=True)['build']['note']


def test_write_environment(tmp_path):
    written = write_environment(tmp_path / 'work', seed=7)
    stored = json.loads((tmp_path / 'work' / 'environment.json').read_text())
    assert stored == written and stored['seed'] == 7
    assert write_environment(tmp_path)['seed'] is None


def test_git_state_of_a_clean_and_a_changed_checkout(checkout):
    commit = git(checkout, 'rev-parse', 'HEAD')
    assert git_state(checkout) == {'commit': commit, 'dirty': False}
    (checkout.parent / 'notes.txt').write_text('not tracked')
    assert git_state(checkout)['dirty'] is False
    (checkout / '__init__.py').write_text('changed = 1')
    assert git_state(checkout) == {'commit': commit, 'dirty': True}


def test_git_state_ignores_the_variables_of_a_git_hook(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv('GIT_DIR', str(tmp_path / 'elsewhere'))
    assert git_state(checkout) is not None


def test_git_state_of_a_package_that_the_checkout_does_not_track(checkout):
    installed = checkout.parent / '.venv' / 'package'
    installed.mkdir(parents=True)
    (installed / '__init__.py').write_text('')
    assert git_state(installed) is None


def test_git_state_without_repository_folder_or_commit(tmp_path, monkeypatch):
    monkeypatch.setenv('GIT_CEILING_DIRECTORIES', str(tmp_path.parent))
    assert git_state(tmp_path) is None
    assert git_state(tmp_path / 'missing') is None


def test_git_state_without_git(checkout, monkeypatch):
    monkeypatch.setenv('PATH', '')
    assert git_state(checkout) is None


def test_git_state_gives_up_on_a_slow_git(checkout, monkeypatch):
    def run(command, **options):
        raise subprocess.TimeoutExpired(command, options['timeout'])

    monkeypatch.setattr(env.subprocess, 'run', run)
    assert git_state(checkout) is None


@pytest.mark.parametrize(
    'capabilities, emulated',
    [
        (dict(avx2=True, avx512_bf16=False, amx_bf16=False), True),
        (dict(avx512_bf16=False, amx_bf16=True), False),
        (dict(avx2=True), False),
    ],
)
def test_bfloat16_of_a_cpu(capabilities, emulated, monkeypatch):
    monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda: capabilities, raising=False)
    assert emulates_bf16('cpu') is emulated


def test_a_device_that_is_not_there(monkeypatch):
    assert check_device('cpu') == torch.device('cpu')
    assert check_device('auto').type == get_device()
    with pytest.raises(
        ValueError, match="device 'gpu': not a device; use auto, cpu, cuda or cuda:1"
    ):
        check_device('gpu')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match="device 'cuda': PyTorch finds no GPU here; use cpu"):
        check_device('cuda')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    assert check_device('cuda:1') == torch.device('cuda:1')
    with pytest.raises(ValueError, match="device 'cuda:2': there are 2 GPUs, cuda:0 to cuda:1"):
        check_device('cuda:2')
