"""Masks to annotation tools and back, through the command lines."""

import numpy as np
import pytest

from mmwsss.preparation.exports import FORMATS
from mmwsss.utils.io import read_id_list, read_mask
from tests.tools.program import one_line, run_tool

pytestmark = pytest.mark.tools


@pytest.fixture
def export(toy_root, tmp_path):
    """Export the training masks of the toy data; more arguments as on the command line."""

    def call(*args, masks=toy_root / 'SegmentationClass', classes=toy_root / 'classes.txt'):
        return run_tool(
            'export_masks.py',
            masks,
            *('--images', toy_root / 'JPEGImages', '--classes', classes),
            *('--list', toy_root / 'ImageSets' / 'Segmentation' / 'train.txt'),
            *('--out', tmp_path / 'out'),
            *args,
        )

    return call


@pytest.mark.parametrize('name', FORMATS)
def test_there_and_back(name, export, toy_root, tmp_path):
    result = export('--format', name, '--tolerance', 0)
    assert result.code == 0, result
    assert f'8 masks as {name}' in result.out
    result = run_tool(
        'import_masks.py',
        tmp_path / 'out',
        *('--format', name, '--classes', toy_root / 'classes.txt'),
        *('--images', toy_root / 'JPEGImages', '--out', tmp_path / 'back'),
    )
    assert result.code == 0, result
    for img_id in read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'train.txt'):
        before = read_mask(toy_root / 'SegmentationClass' / f'{img_id}.png')
        after = read_mask(tmp_path / 'back' / f'{img_id}.png', 9, before.shape)
        ignored = 0 if name != 'png' else 255  # annotation tools know regions, not "ignore"
        assert np.array_equal(after, np.where(before == 255, ignored, before))


def test_bad_input(export, toy_root, tmp_path):
    (tmp_path / 'few.txt').write_text('background\nkite\n')
    result = export('--format', 'coco', classes=tmp_path / 'few.txt')
    one_line(result, 'are outside 0..1')
    assert not (tmp_path / 'out').exists()
    one_line(export('--format', 'coco', masks=tmp_path / 'nothing'), 'mask folder not found')
    assert export('--format', 'cvat', '--polygons').code == 2
    assert export('--format', 'cvat', '--tolerance', -1).code == 2
    missing = ('--format', 'coco', '--classes', toy_root / 'classes.txt', '--out', tmp_path / 'x')
    one_line(run_tool('import_masks.py', tmp_path / 'no', *missing), 'annotations not found')
    (tmp_path / 'empty').mkdir()
    labelme = ('--format', 'labelme', *missing[2:])
    one_line(run_tool('import_masks.py', tmp_path / 'empty', *labelme), 'holds no annotated image')
