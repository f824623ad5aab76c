"""The audit of tags as a tool, on photos of plain colours."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.utils.io import read_json, write_tags
from tests.tools.program import one_line, run_tool

COLORS = dict(red=(210, 30, 30), green=(30, 190, 40), blue=(30, 40, 210))


@pytest.fixture
def data(tmp_path):
    """Thirty photos; one lacks its tag and one has a wrong one."""
    rng = np.random.default_rng(0)
    table = {}
    (tmp_path / 'data' / 'JPEGImages').mkdir(parents=True)
    for number in range(30):
        name = [*COLORS][number % 3]
        pixels = np.array(COLORS[name]) + rng.integers(-25, 25, (24, 32, 3))
        path = tmp_path / 'data' / 'JPEGImages' / f'{number}.png'
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
        table[f'{number}.png'] = [name]
    table['0.png'], table['1.png'] = [], ['green', 'blue']
    write_tags(tmp_path / 'data' / 'image_tags.csv', table)
    (tmp_path / 'data' / 'classes.txt').write_text('\n'.join(['background', *COLORS]) + '\n')
    return tmp_path / 'data'


def test_audit(data, tmp_path):
    (tmp_path / 'more').mkdir()
    for name in ('5', '6'):
        (tmp_path / 'more' / f'x{name}.png').write_bytes(
            (data / 'JPEGImages' / f'{name}.png').read_bytes()
        )
    result = run_tool(
        *('analysis_tools/audit_tags.py', data, '--out', tmp_path / 'out', '--colors'),
        *('--untagged', tmp_path / 'more', '--top', 3),
    )
    assert result.code == 0, result
    found = read_json(tmp_path / 'out' / 'audit.json')
    first = found['suspicious'][0], found['missing'][0]
    assert [(row['photo'], row['tag']) for row in first] == [('1', 'blue'), ('0', 'red')]
    assert len(found['untagged']) == 2 and found['draw'] == [] and found['features'] == 'colours'
    assert 'Suspicious tags: ' in result.out and '  1 is tagged blue, which scores' in result.out
    assert Image.open(tmp_path / 'out' / 'suspicious.png').width > 150


def test_bad_input(data, tmp_path):
    words = ['analysis_tools/audit_tags.py', data, '--out', tmp_path / 'out']
    assert run_tool(*words, '--folds', 1).code == 2
    assert run_tool(*words, '--masks', tmp_path).code == 2
    (data / 'classes.txt').unlink()
    assert one_line(run_tool(*words), 'classes.txt: class file not found')
