"""Loss curves of a config in several precisions."""

from mmwsss.utils.io import read_json
from tests.tools.program import run_tool


def test_curves_of_two_precisions(toy_root, tmp_path):
    data = f'train_dataloader.dataset.data_root={toy_root}'
    result = run_tool(
        'analysis_tools/compare_precisions.py',
        'configs/mctformer_plus_toy.py',
        '--steps',
        '3',
        '--batch-size',
        '2',
        '--json',
        tmp_path / 'curves.json',
        '--picture',
        tmp_path / 'curves.svg',
        '--cfg-options',
        data,
    )
    assert result.code == 0 and 'mean distance' in result.out, result
    curves = read_json(tmp_path / 'curves.json')
    assert list(curves) == ['fp32', 'bf16'] and {len(values) for values in curves.values()} == {3}
    assert curves['fp32'] != curves['bf16']
    for one, two in zip(*curves.values()):
        assert abs(one - two) < 0.05 * one
    assert (tmp_path / 'curves.svg').read_text().startswith('<?xml')


def test_no_steps():
    result = run_tool(
        'analysis_tools/compare_precisions.py', 'configs/mctformer_plus_toy.py', '--steps', '0'
    )
    assert result.code == 2 and 'must be at least 1' in result.err


def test_fewer_images_than_a_batch(toy_root):
    result = run_tool(
        'analysis_tools/compare_precisions.py',
        'configs/mctformer_plus_toy.py',
        '--steps',
        '1',
        '--batch-size',
        '500',
        '--cfg-options',
        f'train_dataloader.dataset.data_root={toy_root}',
    )
    assert result.code == 1 and 'fewer than a batch: lower --batch-size' in result.err
