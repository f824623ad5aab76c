"""The comparison with textbook versions: same results, and a file with the numbers."""

import subprocess
import sys

import pytest
import torch

from benchmarks.measurement import largest_difference
from benchmarks.suites import ITEMS, make_case, make_table
from mmwsss.utils.io import read_json
from tests.tools.program import TOOLS, environment
from tools.analysis_tools import benchmark

# what rounding or, for the binned fit and bfloat16, the approximation allows
TOLERANCE = dict(
    cam=1e-4,
    cam_batch8=1e-4,
    cam_bf16=0.2,
    crf=0.02,
    gmm_binned=5e-3,
    gradcam=1e-4,
    irn_walk=1e-3,
    walk=1e-4,
)


@pytest.mark.parametrize('item', ITEMS)
def test_same_results(item):
    case = make_case(item, torch.device('cpu'), quick=True)
    results = [
        result if isinstance(result, tuple) else (result,)
        for result in (case.ours(), case.textbook())
    ]
    assert largest_difference(*results) < TOLERANCE.get(item, 1e-5)


def test_as_a_program(tmp_path):
    command = [
        sys.executable,
        str(TOOLS / 'analysis_tools/benchmark.py'),
        '--quick',
        '--suite',
        'sweep',
        'walk',
        '--repeats',
        '1',
        '--json',
        str(tmp_path / 'out.json'),
    ]
    result = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert result.returncode == 0 and 'SMALL INPUTS' in result.stdout, result
    numbers = read_json(tmp_path / 'out.json')
    assert list(numbers) == ['sweep', 'walk']
    for values in numbers.values():
        assert list(values) == [
            'ours_s',
            'textbook_s',
            'ratio',
            'ours_mib',
            'textbook_mib',
            'max_abs_diff',
            'matmul_share',
            'bandwidth_share',
        ]
        assert values['bandwidth_share'] > 0
        assert values['ratio'] == pytest.approx(values['textbook_s'] / values['ours_s'])
        assert min(values['ours_mib'], values['textbook_mib']) > 0 and values['max_abs_diff'] < 1e-4


def test_pipelines_are_measured():
    rows = make_table('loaders', torch.device('cpu'), quick=True)
    assert {'mctformer_plus_voc', 'mcc_voc', 'toco_voc', 'cosa_voc', 'psa_voc'} < set(rows)
    for row in rows.values():
        assert row['cpu_ms'] > 0 and row['dearest'].count(', ') == 2
    text = benchmark.measured_table('loaders', rows)
    assert 'cpu_ms' in text and 'mcc_voc' in text


@pytest.mark.parametrize(
    'item, column', [('steps', 'step_ms'), ('cams', 'matmul_share'), ('feed', 'images_per_s')]
)
def test_a_device_is_measured(item, column):
    rows = make_table(item, torch.device('cpu'), quick=True)
    assert len(rows) >= 3 and all(row[column] > 0 for row in rows.values())


def test_results_that_cannot_be_compared():
    with pytest.raises(ValueError, match='different shapes'):
        largest_difference([torch.zeros(2)], [torch.zeros(3)])
    with pytest.raises(ValueError, match='not finite'):
        largest_difference([torch.zeros(1)], [torch.full((1,), float('nan'))])
