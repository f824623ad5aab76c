"""A device that the machine does not have is refused in one line, before anything is built."""

import pytest

from .program import CONFIGS, one_line, run_tool

CONFIG = CONFIGS / 'mctformer_plus_toy.py'
FOLDERS = [
    word for option in ('cams', 'images', 'gt', 'list', 'out') for word in (f'--{option}', 'd')
]
CALLS = {
    'sweep_refinement.py': ('--method', 'crf', '--values', 'background=0.1:0.5:0.1', *FOLDERS),
    'analysis_tools/benchmark.py': (),
    'analysis_tools/compare_precisions.py': (CONFIG,),
    'analysis_tools/gpu_check.py': (),
    'analysis_tools/model_complexity.py': (CONFIG,),
    'analysis_tools/profile_step.py': (CONFIG,),
    'analysis_tools/term_effects.py': (CONFIG,),
}


@pytest.mark.parametrize('tool', CALLS)
def test_an_unknown_device_is_refused(tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one_line(run_tool(tool, *CALLS[tool], '--device', 'cuda:99'), "device 'cuda:99'")
    assert not list(tmp_path.iterdir())
