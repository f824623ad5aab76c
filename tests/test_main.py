"""The console command."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmwsss import __version__
from mmwsss.__main__ import COMMANDS, available, main, others, summary
from mmwsss.utils.io import write_mask
from tests.tools.program import environment

ROOT = Path(__file__).parents[1]


def test_help(capsys):
    assert main([]) == 2 and main(['--help']) == 0
    text = capsys.readouterr().out
    assert all(f'  {name} ' in text for name in available())
    assert {'train', 'test', 'cams', 'refine', 'evaluate', 'pipeline', 'export'} <= {*available()}
    assert 'picture_grid' in text and not {*available()} & {*others()}
    assert all(summary(tool) for tool in available().values())
    assert main(['--version']) == 0
    assert __version__ in capsys.readouterr().out


def test_a_tool_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['mmwsss'])
    monkeypatch.setattr(sys, 'path', [*sys.path])
    missing = ['--images', str(tmp_path), '--format', 'coco', '--out', str(tmp_path / 'out')]
    assert main(['export', str(tmp_path / 'masks'), *missing]) == 1
    assert capsys.readouterr().err.startswith('error: ')
    assert main(['export', '--format', 'nothing']) == 2
    assert 'usage: mmwsss export' in capsys.readouterr().err
    assert main(['export_onnx', '--nothing']) == 2  # by the name of its file
    assert 'usage: mmwsss export_onnx' in capsys.readouterr().err


@pytest.mark.tools
def test_worker_processes_know_the_functions_of_a_tool(tmp_path):
    ids = [f'image_{number}' for number in range(40)]  # several chunks
    for name in ids:
        write_mask(tmp_path / 'masks' / f'{name}.png', np.ones((4, 4), np.uint8))
    (tmp_path / 'list.txt').write_text('\n'.join(ids))
    (tmp_path / 'classes.txt').write_text('background\ncat\n')
    words = ['--gt', 'masks', '--masks', 'masks', '--list', 'list.txt', '--classes', 'classes.txt']
    result = subprocess.run(
        [sys.executable, '-m', 'mmwsss', 'evaluate', *words, '--workers', '2'],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert '100.0' in result.stdout


def test_what_a_wheel_lacks(tmp_path, monkeypatch, capsys):
    (tmp_path / 'tools').symlink_to(ROOT / 'tools')
    monkeypatch.setattr('mmwsss.__main__.package_root', lambda: tmp_path)
    assert 'benchmark' not in available() and 'train' in available()
    assert main(['benchmark']) == 2
    assert 'needs a checkout of the repository' in capsys.readouterr().err


@pytest.mark.parametrize(
    'words, parts', [(['trian'], ['did you mean train?']), (['zzz'], ['choose from train'])]
)
def test_unknown_commands(words, parts, capsys):
    assert main(words) == 2
    message = capsys.readouterr().err
    assert message.count('\n') == 1 and all(part in message for part in parts)


def test_completion(capsys):
    for shell in ('bash', 'zsh'):
        assert main(['completion', shell]) == 0
        assert 'train' in capsys.readouterr().out
    assert main(['completion', 'tcsh']) == 2
    script = subprocess.run(
        [sys.executable, '-m', 'mmwsss', 'completion', 'bash'],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    words = subprocess.run(
        ['bash', '-c', f'{script}\nCOMP_WORDS=(mmwsss ev); COMP_CWORD=1; _mmwsss; echo $COMPREPLY'],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert words.strip() == 'evaluate'


def test_every_command_has_a_short_name():
    assert all(
        name.replace('-', '').isalpha() and tool.endswith('.py') for name, tool in COMMANDS.items()
    )


TOOLS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / 'tools').rglob('*.py'))
HEAVY = ('torch', 'mmengine', 'mmseg', 'mmcv', 'matplotlib', 'scipy')


def test_help_of_every_tool_is_light():
    """One process for all tools, with and without a mistyped option: what one of them imports,
    none of them needed.
    """
    code = (
        'import runpy, sys\n'
        f'for name in {TOOLS}:\n'
        "    for option, code in (('--help', 0), ('--mistyped', 2)):\n"
        '        sys.argv = [name, option]\n'
        '        try:\n'
        "            runpy.run_path(name, run_name='__main__')\n"
        '        except SystemExit as stop:\n'
        "            assert stop.code == code, f'{name} {option}'\n"
        f'    heavy = {{*{HEAVY}}} & {{*sys.modules}}\n'
        "    assert not heavy, f'{name} imports {heavy}'\n"
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count('usage: ') == len(TOOLS)
