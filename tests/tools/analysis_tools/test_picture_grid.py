"""Results of several folders side by side."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.utils.io import voc_palette, write_cam, write_mask
from tests.tools.program import one_line, run_tool

TOOL = 'analysis_tools/picture_grid.py'


@pytest.fixture
def folders(tmp_path):
    """Two grey images, masks of one class, and maps of two classes."""
    for name in ('a', 'b'):
        (tmp_path / 'images').mkdir(exist_ok=True)
        Image.fromarray(np.full((32, 48, 3), 100, np.uint8)).save(tmp_path / f'images/{name}.jpg')
        mask = np.zeros((32, 48), np.uint8)
        mask[8:24, 12:36] = 2
        write_mask(tmp_path / 'masks' / f'{name}.png', mask)
        cams = np.zeros((2, 32, 48), np.float32)
        cams[0, :, :24], cams[1, :, 24:] = 1, 1
        write_cam(tmp_path / 'cams' / f'{name}.npz', [0, 1], cams)
    return tmp_path


def run(folders, *more):
    return run_tool(
        TOOL,
        '--images', folders / 'images', '--column', f'truth={folders / "masks"}',
        '--column', f'map={folders / "cams"}', '--out', folders / 'grid.png', '--cell', 48, *more,
    )  # fmt: skip


def test_a_row_per_image(folders):
    result = run(folders)
    assert result.code == 0, result
    assert '2 rows, 3 columns' in result.out
    picture = np.asarray(Image.open(folders / 'grid.png'))
    cell, gap, caption = 48, 8, 22
    assert picture.shape == (caption + 2 * (32 + caption) + gap, 3 * (cell + gap) + gap, 3)
    top, left = 2 * caption, gap
    assert (picture[top : top + 32, left : left + 48] == 100).all()
    center = picture[top + 16, left + cell + gap + 24].astype(int)
    color = 100 + 0.7 * (voc_palette()[2].astype(int) - 100)  # the weight of a label colour
    assert np.abs(center - color).max() <= 1
    # the largest map at every pixel: both halves are hot
    heat = picture[top + 16, left + 2 * (cell + gap) :][[4, 44]].astype(int)
    assert np.array_equal(heat[0], heat[1]) and heat[0][0] > heat[0][2]


def test_a_row_per_class(folders):
    (folders / 'classes.txt').write_text('background\nkite\nboat\n')
    result = run(folders, '--per-class', '--ids', 'a', '--classes', folders / 'classes.txt')
    assert result.code == 0 and '2 rows, 3 columns' in result.out
    picture = np.asarray(Image.open(folders / 'grid.png')).astype(int)
    left = 8 + 2 * 56
    first, second = (picture[44 + 54 * row + 16, [left + 4, left + 44]] for row in (0, 1))
    assert np.array_equal(first[0], second[1]) and not np.array_equal(first[0], first[1])
    # only the mask of the row's class is drawn
    assert (picture[44 + 16, 8 + 56 + 24] == 100).all()
    assert not (picture[44 + 54 + 16, 8 + 56 + 24] == 100).all()


def test_mistakes(folders):
    assert one_line(run(folders, '--column', 'x'), 'expected NAME=FOLDER')
    assert one_line(run(folders, '--column', 'x=none'), 'folder not found')
    assert one_line(run(folders, '--column', f'map={folders / "cams"}'), "a column 'map' already")
    assert one_line(run(folders, '--ids', 'c'), 'image files not found')
    (folders / 'cams' / 'b.npz').unlink()
    assert one_line(run(folders, '--ids', 'b'), 'has neither b.png nor b.npz')
    assert run(folders).code == 0  # what all folders have
