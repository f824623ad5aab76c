"""Plots of threshold sweeps."""

from PIL import Image

from mmwsss.utils.io import write_json
from tests.tools.program import one_line, run_tool

TOOL = 'analysis_tools/threshold_curve.py'
CURVE = dict(
    thresholds=[0.0, 0.1, 0.2],
    mIoU=[10.0, 30.5, 20.0],
    FP=[60.0, 40.0, 20.0],
    FN=[30.0, 29.5, 60.0],
)


def test_one_file_and_several(tmp_path):
    write_json(tmp_path / 'sweep.json', {'cam/mIoU': 30.5, 'protocol': {}, 'curve': CURVE})
    write_json(
        tmp_path / 'run' / 'curves.json',
        {'cam': CURVE, 'aux_cam': dict(CURVE, mIoU=[1.0, 2.0, 3.0])},
    )
    out = tmp_path / 'curve.png'
    result = run_tool(TOOL, tmp_path / 'sweep.json', '--out', out)
    assert result.code == 0 and '| sweep |       30.50 |      0.10 |' in result.out, result
    single = Image.open(out).size
    result = run_tool(TOOL, tmp_path / 'sweep.json', tmp_path / 'run' / 'curves.json', '--out', out)
    assert result.code == 0 and '| sweep |' in result.out and '| run ' in result.out, result
    assert Image.open(out).size == single
    result = run_tool(
        TOOL, f'auxiliary={tmp_path / "run" / "curves.json"}', '--metric', 'aux_cam', '--out', out
    )
    assert result.code == 0 and '| auxiliary |        3.00 |      0.20 |' in result.out, result


def test_bad_files(tmp_path):
    path, out = tmp_path / 'sweep.json', tmp_path / 'curve.png'
    write_json(path, {'cam/mIoU': 30.5})
    one_line(run_tool(TOOL, path, '--out', out), path, "only 'cam/mIoU'")
    write_json(path, {'curve': CURVE})
    one_line(run_tool(TOOL, path, path, '--out', out), "two curves are named 'sweep'")
    one_line(run_tool(TOOL, path, '--out', tmp_path / 'curve.txt'), 'curve.txt')
    one_line(run_tool(TOOL, tmp_path / 'none.json', '--out', out), 'none.json')
    write_json(path, {'curve': dict(CURVE, mIoU=[1.0])})
    one_line(run_tool(TOOL, path, f'b={path}', '--out', out), '3 thresholds, 1 mIoU')
    assert not out.exists()
