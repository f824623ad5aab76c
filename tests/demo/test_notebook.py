"""The notebook runs from top to bottom, on less data and for one epoch."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / 'demo' / 'mmwsss_in_ten_minutes.ipynb'
SMALL = "NUM_PHOTOS, NUM_EPOCHS, DATA, WORK = 32, 1, 'data', 'work'"


@pytest.fixture(scope='module')
def cells():
    return json.loads(NOTEBOOK.read_text(encoding='utf-8'))['cells']


def test_it_holds_no_results(cells):
    assert all(not cell.get('outputs') and not cell.get('execution_count') for cell in cells)
    assert len({cell['id'] for cell in cells}) == len(cells)


def test_links(cells):
    text = ''.join(line for cell in cells for line in cell['source'])
    for target in re.findall(r'\]\(([^)]+)\)', text):
        assert (NOTEBOOK.parent / target).is_file(), target


@pytest.mark.slow
def test_it_runs(cells, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('sys.argv', ['notebook'])
    names = {}
    for number, cell in enumerate(cells):
        if cell['cell_type'] != 'code':
            continue
        settings = 'parameters' in cell['metadata'].get('tags', ())
        source = SMALL if settings else ''.join(cell['source'])
        exec(compile(source, f'cell {number}', 'exec'), names)
    assert len(names['files']) == 20
    assert isinstance(names['found'].overlay(), Image.Image)
    metrics = json.loads((tmp_path / 'work' / 'metrics.json').read_text())
    assert 0 <= metrics['mask/mIoU'] <= 100
