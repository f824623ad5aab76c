"""The tool that writes the toy shapes."""

import runpy
import subprocess
import sys
from pathlib import Path

from mmwsss.preparation.toy_shapes import ToyDifficulty
from mmwsss.utils.cli import run_main
from mmwsss.utils.io import read_json

TOOL = Path(__file__).resolve().parents[3] / 'tools' / 'dataset_converters' / 'toy_shapes.py'


def test_options_reach_the_set_and_other_settings_are_refused(tmp_path, capsys):
    main = runpy.run_path(str(TOOL))['main']

    def run(*args):
        sizes = '--train', '4', '--val', '2', '--test', '0'
        return run_main(
            lambda: main(['--out', str(tmp_path / 'set'), *sizes, '--workers', '1', *args])
        )

    assert run('--size', '64', '--body-noise', '0.2', '--distractors', '1') == 0
    assert '4 train, 2 val' in capsys.readouterr().out
    assert len(list((tmp_path / 'set' / 'JPEGImages').iterdir())) == 6
    settings = read_json(tmp_path / 'set' / 'toy_shapes.json')
    assert (
        settings['size'] == [64, 64]
        and settings['difficulty'] == ToyDifficulty(body_noise=0.2, distractors=1)._asdict()
    )
    assert run('--size', '64', '--body-noise', '0.2', '--distractors', '1') == 0
    assert 'nothing to do' in capsys.readouterr().out
    assert run('--size', '64') == 1
    assert 'other settings' in capsys.readouterr().err
    assert run('--size', '64', '--overwrite') == 0
    assert run('--size', '8') == 1


def test_as_a_program(tmp_path):
    command = [
        sys.executable,
        str(TOOL),
        '--out',
        str(tmp_path / 'set'),
        '--train',
        '3',
        '--val',
        '0',
        '--test',
        '0',
        '--workers',
        '2',
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert '3 train' in result.stdout
