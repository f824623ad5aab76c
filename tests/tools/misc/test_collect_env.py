"""What a report of a problem needs."""

import torch

from mmwsss import __version__
from mmwsss.utils.io import read_json
from tests.tools.program import run_tool


def test_collect_env(tmp_path):
    result = run_tool('misc/collect_env.py', '--json', tmp_path / 'env.json')
    assert result.code == 0, result
    stored = read_json(tmp_path / 'env.json')
    assert stored['versions']['torch'] == torch.__version__
    assert stored['versions']['mmwsss'] == __version__
    for line in ('versions mmwsss', 'cpu_count', 'git', 'build GCC'):
        assert line in result.out
    assert min(map(len, result.out.splitlines())) < 60, 'padded to the longest entry'
