"""IoU of the classes of several results."""

from mmwsss.utils.io import write_json
from tests.tools.program import one_line, run_tool

TOOL = 'analysis_tools/per_class_table.py'


def write(folder, name, values):
    path = folder / name / 'metrics.json'
    classes = ('background', 'bird', 'car')
    write_json(path, {'seg/IoU': dict(zip(classes, values)), 'seg/mIoU': 1.0})
    return path


def test_table(tmp_path):
    before, after = write(tmp_path, 'a', (90.0, 10.0, None)), write(tmp_path, 'b', (92.0, 40, 60.0))
    result = run_tool(
        TOOL, f'before={before}', after, '--coexist', 'bird', 'car', '--out', tmp_path / 'out'
    )
    assert result.code == 0, result
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in result.out.splitlines()]
    assert rows[0] == ['class', 'before', 'b'] and rows[3] == ['bird', '10.00', '40']
    assert rows[4] == ['car', '-', '60.00']
    assert rows[5] == ['mean', '50.00', '64.00']
    assert rows[6] == ['mean of bird, car', '10.00', '50.00']
    assert (tmp_path / 'out.csv').read_text().splitlines()[3] == 'car,,60.0'
    assert r'car & -- & 60.00 \\' in (tmp_path / 'out.tex').read_text()


def test_mistakes(tmp_path):
    path = write(tmp_path, 'a', (90.0, 10.0, 5.0))
    assert one_line(run_tool(TOOL, path, '--metric', 'cam'), "of 'cam'; it has seg")
    assert one_line(run_tool(TOOL, path, '--coexist', 'brid'), "'brid' is not among background")
    assert one_line(run_tool(TOOL, tmp_path / 'x.json'), 'metrics file not found')
    assert one_line(run_tool(TOOL, path, path), 'two results are named')
    write_json(tmp_path / 'c.json', {'seg/IoU': {'other': 1.0}})
    assert one_line(run_tool(TOOL, path, f'c={tmp_path / "c.json"}'), 'of different classes')
