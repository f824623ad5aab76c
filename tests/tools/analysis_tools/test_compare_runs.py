"""Runs beside each other: numbers, differences and paired pictures."""

import json
import re

import numpy as np
import pytest

from mmwsss.utils.io import read_id_list, read_mask, write_json, write_mask
from tests.tools.program import one_line, run_tool

pytestmark = pytest.mark.tools


@pytest.fixture
def runs(tmp_path, toy_root):
    """Two runs on the validation images: one predicts the ground truth, one background alone."""
    ids = read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'val.txt')
    for name, number in (('good', 80.0), ('poor', 20.5)):
        folder = tmp_path / name
        iou = {'background': 90.0, 'kite': number, 'boat': None}
        write_json(
            folder / 'metrics.json',
            {'seg/mIoU': number, 'seg/IoU': iou, 'protocol': {'seg': {}}, 'only': name},
        )
        for img_id in ids:
            gt = read_mask(toy_root / 'SegmentationClass' / f'{img_id}.png')
            mask = gt if name == 'good' else np.zeros_like(gt)
            write_mask(folder / 'segmentation_test' / 'masks' / f'{img_id}.png', mask)
    return tmp_path


def pictures(toy_root):
    return (
        *('--images', toy_root / 'JPEGImages', '--gt', toy_root / 'SegmentationClass'),
        *('--classes', toy_root / 'classes.txt'),
        *('--list', toy_root / 'ImageSets' / 'Segmentation' / 'val.txt'),
    )


def test_numbers_and_pictures(runs, toy_root):
    page = runs / 'page.html'
    result = run_tool(
        'analysis_tools/compare_runs.py',
        f'best={runs / "good"}',
        runs / 'poor',
        *('--out', page),
        *pictures(toy_root),
    )
    assert result.code == 0, result
    assert re.search(r'seg/mIoU \| 80\.00 \| 20\.50 \(-59\.50\)', result.out)
    assert re.search(r'boat +\| +- \| +- ', result.out)
    data = json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(), re.DOTALL)[1])
    assert data['runs'] == ['best', 'poor'] and len(data['samples']) == 3
    assert all(sample['iou']['best'] == 100 for sample in data['samples'])
    assert all(sample['error']['poor'] == 'missed' for sample in data['samples'])


def test_bad_input(runs, toy_root, tmp_path):
    tool = 'analysis_tools/compare_runs.py'
    one_line(run_tool(tool, runs / 'good'), 'one run only')
    one_line(run_tool(tool, runs / 'good', runs / 'good'), 'two runs have the name good')
    one_line(run_tool(tool, runs / 'good', tmp_path / 'no'), 'metrics.json', 'not found')
    write_json(runs / 'empty' / 'metrics.json', {'other': 1.0})
    one_line(run_tool(tool, runs / 'good', runs / 'empty'), 'no number in common')
    assert run_tool(tool, runs / 'good', runs / 'poor', '--images', toy_root).code == 2
    assert run_tool(tool, runs / 'good', runs / 'poor', *pictures(toy_root)).code == 2
