"""Every study of ``configs/ablations``: its options exist, and it says where its published values
are from.
"""

import re

import pytest

from mmwsss.apis.grid import Grid
from tests.tools.program import CONFIGS, ROOT

STUDIES = [
    path
    for path in sorted((CONFIGS / 'ablations').glob('*.py'))
    if re.search(r'^grid = dict\(', path.read_text(), re.MULTILINE)
]


@pytest.mark.parametrize('path', STUDIES, ids=lambda path: path.stem)
def test_study(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grid = Grid(path, seeds=[0])
    assert re.search('_(table|figure)', path.stem), 'the name of a study ends in its table'
    assert grid.spec['title']
    if any('published' in row for row in grid.rows):
        assert re.search(r'(Table|Figure) [\dIV]+', grid.spec['source'])
    assert grid.runs and not (tmp_path / 'work_dirs').exists()


def test_the_page_names_every_study():
    page = (ROOT / 'docs' / 'reproduction.md').read_text()
    families = 'mctformer_plus|aream|acr|mcc|cosa|composed|methods'
    named = set(re.findall(rf'`(?:run_grid\.py )?((?:{families})_\w+)`', page))
    assert named == {path.stem for path in STUDIES}
    for tool in re.findall(r'analysis_tools/\w+\.py', page):
        assert (ROOT / 'tools' / tool).is_file(), tool
