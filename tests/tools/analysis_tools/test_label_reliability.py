"""Accuracy of labels by confidence and perplexity, on maps whose errors are known."""

import math

import numpy as np
import pytest
from PIL import Image

from mmwsss.utils.io import read_json, write_cam, write_mask
from tests.tools.program import one_line, run_tool

TOOL = 'analysis_tools/label_reliability.py'


@pytest.fixture
def folders(tmp_path):
    """One image of 4 columns of 100 pixels: confidences 0.9 (right), 0.6 (wrong), 0.45 (right: no
    object), 0.1 (right); a column more is ignored.
    """
    confidence = np.repeat(np.array([0.9, 0.6, 0.45, 0.1, 0.9], np.float32)[None], 100, 0)
    truth = np.repeat(np.array([1, 0, 0, 0, 255], np.uint8)[None], 100, 0)
    write_cam(tmp_path / 'cams' / 'a.npz', [0], confidence[None])
    write_cam(tmp_path / 'cams' / 'b.npz', [], np.zeros((0, 100, 5)), (100, 5))
    for name in 'ab':
        write_mask(tmp_path / 'gt' / f'{name}.png', truth if name == 'a' else truth * 0)
    (tmp_path / 'list.txt').write_text('a\nb\n')
    (tmp_path / 'classes.txt').write_text('background\nkite\n')
    return tmp_path


def run(folders, *more, lists='list.txt'):
    return run_tool(
        TOOL, *more, '--gt', folders / 'gt', '--list', folders / lists, '--bins', 10,
        '--classes', folders / 'classes.txt', '--out', folders / 'out',
    )  # fmt: skip


def test_counts(folders):
    result = run(folders, f'own={folders / "cams"}')
    assert result.code == 0, result
    numbers = read_json(folders / 'out' / 'label_reliability.json')['own']
    accuracy = numbers['accuracy']['by_confidence']
    assert [accuracy[index] for index in (1, 4, 6, 9)] == [100.0, 100.0, 0.0, 100.0]
    assert accuracy[0] == 100.0 and accuracy[2] is None  # image b has no map
    # background 700 of 800, kite 100 of 200
    assert numbers['mIoU'] == pytest.approx(100 * (700 / 800 + 100 / 200) / 2)
    perplexity = [-math.log(0.8 * distance) for distance in ((0.9 - 0.5) / 0.5, 0.2, 0.1, 0.8)]
    assert numbers['images'][0][1] == pytest.approx(sum(perplexity) / 4, rel=1e-5)
    assert numbers['images'][0][2] == pytest.approx((0.1 + 0.4 + 0.45 + 0.1) / 4, rel=1e-5)
    # only confidences 0.9, 0.1 and 0 are within epsilon 1
    assert numbers['confident_mIoU'] == 100.0
    assert numbers['confident_share'] == pytest.approx(100 * 700 / 900)
    for name in ('accuracy_by_confidence', 'accuracy_by_perplexity', 'confidences', 'images'):
        assert min(Image.open(folders / 'out' / f'{name}.png').size) > 100


def test_mistakes(folders):
    cams = folders / 'cams'
    assert one_line(run(folders, folders / 'none'), 'folder of CAM files not found')
    assert one_line(run(folders, f'x={cams}', f'x={cams}'), 'two folders are named')
    (folders / 'more.txt').write_text('a\nc\n')
    assert run(folders, cams, lists='more.txt').code == 1
