"""Export to ONNX from the command line."""

import importlib.util
import re

import pytest

from mmwsss.apis.onnx_export import PACKAGES
from tests.tools.program import one_line, run_tool

EXPORT = 'model_converters/export_onnx.py'


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in PACKAGES),
    reason='onnx, onnxscript or onnxruntime is not installed',
)
def test_classifier(classifier, tmp_path):
    result = run_tool(
        EXPORT,
        classifier.config,
        classifier.checkpoint,
        tmp_path / 'model.onnx',
        '--size',
        64,
        48,
        '--tolerance',
        '1e-2',
        options=classifier.options,
    )
    assert result.code == 0, result
    assert (tmp_path / 'model.onnx').stat().st_size > 1e5
    assert 'image (1, 3, 64, 48) RGB float32 0..255' in result.out
    shapes = re.findall(r'(\w+) (\(.*?\)): largest difference from PyTorch \d', result.out)
    assert shapes == [('scores', '(1, 8)'), ('cams', '(1, 8, 64, 48)')]
    # nothing is written where the check fails
    one_line(
        run_tool(
            EXPORT,
            classifier.config,
            classifier.checkpoint,
            tmp_path / 'other.onnx',
            '--size',
            64,
            48,
            '--tolerance',
            '-1',
            options=classifier.options,
        ),
        'other.onnx: not written, ONNX Runtime and PyTorch differ: scores by',
    )
    assert [path.name for path in tmp_path.iterdir()] == ['model.onnx']


def test_bad_input(classifier, tmp_path):
    one_line(
        run_tool(
            EXPORT,
            classifier.config,
            tmp_path / 'missing.pth',
            tmp_path / 'model.onnx',
            options=classifier.options,
        ),
        'missing.pth: checkpoint not found',
    )
    one_line(
        run_tool(EXPORT, tmp_path / 'missing.py', 'a.pth', tmp_path / 'model.onnx'),
        'missing.py: config not found',
    )
    assert not list(tmp_path.iterdir())
