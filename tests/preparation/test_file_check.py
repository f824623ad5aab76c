"""Checks of single files."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.preparation.file_check import check_image, check_mask, labels_from_colors
from mmwsss.utils.io import voc_palette, write_mask

LABELS = np.array([[0, 20, 255], [3, 3, 0]], np.uint8)


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'bmp', 'webp'])
def test_images(suffix, picture, tmp_path):
    path = tmp_path / f'a.{suffix}'
    picture.save(path)
    assert check_image(path) == check_image(path, decode=True) == ((40, 60), '')
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    for decode in (False, True):
        size, wrong = check_image(path, decode)
        assert size is None and wrong
    path.write_bytes(data + b'\0' * 200)  # bytes that a camera appends: the whole file is decoded
    assert check_image(path)[0] == (40, 60)


def test_no_images(tmp_path):
    assert check_image(tmp_path / 'a.jpg') == (None, 'image not found')
    for content in (b'', b'text'):
        (tmp_path / 'a.jpg').write_bytes(content)
        assert check_image(tmp_path / 'a.jpg')[0] is None


def test_good_masks(tmp_path):
    write_mask(tmp_path / 'a.png', LABELS)
    Image.fromarray(LABELS).save(tmp_path / 'grey.png')
    grey_palette = Image.open(tmp_path / 'a.png')
    grey_palette.putpalette(np.arange(256, dtype=np.uint8).repeat(3).tobytes())
    grey_palette.save(tmp_path / 'levels.png')
    for name in ('a', 'grey', 'levels'):
        checked = check_mask(tmp_path / f'{name}.png', 21, (2, 3))
        assert checked.problem is None
        np.testing.assert_array_equal(checked.labels, LABELS)


@pytest.mark.parametrize(
    'mode, kind',
    [
        ('RGB', 'colour-encoded mask, not a palette PNG'),
        ('RGBA', 'colour-encoded mask of four channels, not a palette PNG'),
    ],
)
def test_colours_are_translated(mode, kind, tmp_path):
    Image.fromarray(voc_palette()[LABELS]).convert(mode).save(tmp_path / 'a.png')
    checked = check_mask(tmp_path / 'a.png', 21)
    assert checked.problem == (kind, f'{mode} image in VOC colours')
    np.testing.assert_array_equal(checked.labels, LABELS)
    checked = check_mask(tmp_path / 'a.png', 20)
    assert (
        checked.labels is None
        and checked.problem[1] == f'{mode} image with {tuple(voc_palette()[20].tolist())}'
    )


def test_colours_of_all_classes():
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(labels_from_colors(voc_palette()[labels], 255)[0], labels)
    assert labels_from_colors(np.full((1, 1, 3), 1, np.uint8), 81) == (None, (1, 1, 1))


def test_bad_masks(tmp_path):
    path = tmp_path / 'a.png'
    assert check_mask(path, 21).problem == ('mask not found', '')
    write_mask(path, LABELS)
    assert check_mask(path, 20).problem == ('class ids outside 0..19 (255 is ignore)', '[20]')
    assert check_mask(path, 21, (3, 2)).problem == (
        'mask and image differ in size (width x height)',
        '3x2 and 2x3',
    )
    image = Image.open(path)
    image.putpalette(bytes((0, 0, 0, 1, 2, 3, 9, 9, 9, 0, 0, 128)) + bytes(252 * 3))
    image.save(path)
    checked = check_mask(path, 21)
    assert 'palette of other colours' in checked.problem[0]
    assert checked.problem[1] == 'value 3 has colour (0, 0, 128) instead of (128, 128, 0)'
    np.testing.assert_array_equal(checked.labels, LABELS)
    path.write_bytes(path.read_bytes()[:-30])
    assert check_mask(path, 21).problem[0] == 'truncated or unreadable mask'
