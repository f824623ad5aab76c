"""The table of costs from the command line."""

import pytest

from mmwsss.utils.io import read_json
from tests.tools.program import CONFIGS, one_line, run_tool

TOOL = 'analysis_tools/model_complexity.py'


def test_published_parameters_of_mctformer(tmp_path):
    """Table 5 of MCTformer+: 21.8 million parameters; counted here with all class tokens."""
    result = run_tool(
        TOOL, CONFIGS / 'mctformer_v2_voc.py', '--size', 224, 224, '--json', tmp_path / 'a.json'
    )
    assert result.code == 0, result
    numbers = read_json(tmp_path / 'a.json')
    assert numbers['parameters'] == pytest.approx(21.8, abs=0.3)
    assert 4.0 < numbers['macs'] < 6.0 and numbers['images_per_s'] is None
    assert '| mctformer_v2_voc |' in result.out


def test_several_configs_and_mistakes(tmp_path):
    result = run_tool(
        TOOL, CONFIGS / 'mcc_toy.py', CONFIGS / 'cosa_toy.py', '--size', 96, 96,
        '--json', tmp_path / 'a.json',
    )  # fmt: skip
    assert result.code == 0, result
    numbers = read_json(tmp_path / 'a.json')
    assert numbers['mcc_toy/parameters'] == pytest.approx(numbers['cosa_toy/parameters'])
    assert one_line(run_tool(TOOL, CONFIGS / 'none.py'), 'config not found')
    assert run_tool(TOOL, CONFIGS / 'mcc_toy.py', '--crf', 'toco_test').code == 2
