"""The profile of a step, and the check of a GPU, rehearsed on a CPU."""

import pytest
import torch

from mmwsss.utils.io import read_json
from tests.tools.program import one_line, run_tool
from tools.analysis_tools import gpu_check, profile_step


def test_profile_of_a_step(tmp_path) -> None:
    result = run_tool(
        'analysis_tools/profile_step.py',
        'configs/mctformer_plus_toy.py',
        '--batch-size',
        2,
        '--rounds',
        1,
        '--json',
        tmp_path / 'step.json',
    )
    assert result.code == 0 and 'share of the peak' in result.out, result
    numbers = read_json(tmp_path / 'step.json')
    assert numbers['batch_size'] == 2 and numbers['precision'] == 'fp32'
    assert numbers['step_ms'] > 0 and numbers['waits'] is None
    assert profile_step.report(numbers) in result.out
    wrong = run_tool(
        'analysis_tools/profile_step.py', 'configs/mctformer_plus_toy.py', '--rounds', 0
    )
    one_line(wrong, '--rounds and --batch-size must be at least 1')


def test_check_of_a_gpu(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part runs and is written; programs are replaced."""
    commands = []

    def run(command: list[str], seconds: float) -> dict:
        commands.append(command)
        return dict(code=0, output='')

    monkeypatch.setattr(gpu_check, 'run', run)
    monkeypatch.setattr(gpu_check, 'agreement', lambda device: 2e-4)
    out = tmp_path / 'check.json'
    configs = ['mctformer_plus_toy']
    options = ['gpu_check.py', '--device', 'cpu', '--out', str(out), '--configs', configs[0]]
    monkeypatch.setattr('sys.argv', options)
    assert gpu_check.main() == 1  # the maps differ by more than 1e-4
    found = read_json(out)
    assert found['failed'] == ['cams'] and found['machine']['device'] == 'CPU (a rehearsal)'
    assert found[f'{configs[0]}/fp32']['losses']['loss'] > 0
    assert [command[-1] for command in commands] == ['tests', str(tmp_path / 'gpu_benchmark.json')]
    monkeypatch.setattr('sys.argv', [*options, '--seconds', '0'])
    assert gpu_check.main() == 1
    assert read_json(out)['left_out'] == [f'{configs[0]}/fp32']


@pytest.mark.skipif(torch.cuda.is_available(), reason='needs a machine without a GPU')
def test_no_gpu() -> None:
    one_line(run_tool('analysis_tools/gpu_check.py'), 'PyTorch finds no GPU here; use cpu')
