"""Configs in full."""

from mmengine.config import Config

from tests.tools.program import CONFIGS, one_line, run_tool

TOOL = 'misc/print_config.py'


def test_prints_what_is_inherited(tmp_path):
    out = tmp_path / 'full.py'
    result = run_tool(
        TOOL, CONFIGS / 'aream_toy.py', '--out', out, options={'model.affinity_weight': 0.3}
    )
    assert (
        result.code == 0
        and 'affinity_weight=0.3' in result.out
        and "type='mmwsss.ConvStem'" in result.out
    )
    written = Config.fromfile(out)
    assert '_base_' not in written and written.model.affinity_weight == 0.3
    assert out.read_text(encoding='utf-8') + '\n' == result.out


def test_bad_input(tmp_path):
    one_line(run_tool(TOOL, tmp_path / 'none.py'), 'none.py')
    one_line(run_tool(TOOL, CONFIGS / 'aream_toy.py', '--out', tmp_path / 'full.json'), 'full.json')


def test_mixed_precision_stands_as_in_the_file():
    """Also on a machine that has none."""
    result = run_tool(TOOL, CONFIGS / 'mctformer_plus_voc.py')
    assert result.code == 0 and "type='mmengine.AmpOptimWrapper'" in result.out
