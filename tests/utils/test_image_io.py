"""Photos as people have them."""

import io
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from mmwsss.utils.image_io import (
    open_image,
    orientation_of,
    read_image,
    shown_size,
    shrink,
    upright_content,
)

SHOWN = np.random.default_rng(0).integers(0, 255, (6, 10, 3)).astype(np.uint8)
# how a camera stores what is shown, by EXIF orientation
STORED = {
    1: SHOWN,
    2: SHOWN[:, ::-1],
    3: SHOWN[::-1, ::-1],
    4: SHOWN[::-1],
    5: SHOWN.transpose(1, 0, 2),
    6: SHOWN[:, ::-1].transpose(1, 0, 2),
    7: SHOWN[::-1, ::-1].transpose(1, 0, 2),
    8: SHOWN[::-1].transpose(1, 0, 2),
}


def rgb(path, **options):
    return read_image(path, **options)[..., ::-1]


@pytest.mark.parametrize('suffix', ['png', 'tif', 'webp'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_orientation(orientation, suffix, tmp_path):
    path = tmp_path / f'a.{suffix}'
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = dict(lossless=True) if suffix == 'webp' else {}
    Image.fromarray(np.ascontiguousarray(STORED[orientation])).save(path, exif=exif, **options)
    np.testing.assert_array_equal(rgb(path), SHOWN)
    with open_image(path) as image:
        assert shown_size(image) == SHOWN.shape[:2]
    if suffix != 'tif':  # turned by Pillow
        np.testing.assert_array_equal(rgb(path, raw=True), STORED[orientation])


def test_large_images_are_turned_in_strips(tmp_path, monkeypatch):
    monkeypatch.setattr('mmwsss.utils.image_io.STRIP', 17)
    test_orientation(6, 'png', tmp_path)
    test_orientation(7, 'png', tmp_path)


@pytest.mark.parametrize('value', [0, 9, 4096])
def test_an_orientation_that_does_not_exist(value, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = value
    Image.fromarray(SHOWN).save(tmp_path / 'a.png', exif=exif)
    np.testing.assert_array_equal(rgb(tmp_path / 'a.png'), SHOWN)


def test_a_damaged_exif_block(tmp_path):
    Image.fromarray(SHOWN).save(tmp_path / 'a.png', exif=b'Exif\0\0MM\0*\xff\xff\xff\xff')
    np.testing.assert_array_equal(rgb(tmp_path / 'a.png'), SHOWN)


def test_transparency_shows_paper(tmp_path):
    pixels = np.zeros((4, 5, 4), np.uint8)
    pixels[1, 2] = 10, 20, 30, 255
    pixels[2, 3] = 10, 20, 30, 128
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    found = rgb(tmp_path / 'a.png')
    assert found[0, 0].tolist() == [255, 255, 255] and found[1, 2].tolist() == [10, 20, 30]
    assert found[2, 3].tolist() == [132, 137, 142]
    assert rgb(tmp_path / 'a.png', alpha_color=(0, 0, 9))[0, 0].tolist() == [0, 0, 9]
    assert rgb(tmp_path / 'a.png', raw=True)[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize('mode', ['P', 'L', 'RGB'])
def test_one_colour_that_is_transparent(mode, tmp_path):
    image = Image.fromarray(np.array([[7, 9]], np.uint8))
    if mode == 'P':
        image = Image.frombytes('P', image.size, image.tobytes())
        image.putpalette([value for value in range(256) for _ in range(3)])
    image = image.convert(mode)
    image.save(tmp_path / 'a.png', transparency=(7, 7, 7) if mode == 'RGB' else 7)
    assert rgb(tmp_path / 'a.png')[0].tolist() == [[255] * 3, [9] * 3]
    assert rgb(tmp_path / 'a.png', raw=True)[0].tolist() == [[7] * 3, [9] * 3]


GREY = np.where(np.arange(4000).reshape(50, 80) % 7 < 3, 180, 60).astype(np.uint8)


@pytest.mark.parametrize(
    'suffix, values',
    [
        ('png', GREY.astype(np.uint16) * 257),
        ('png', GREY.astype(np.uint16) * 16),
        ('tif', GREY.astype(np.uint16) * 257),
        ('tif', GREY.astype(np.int32) * 1000),
        ('tif', GREY.astype(np.float32) / 255),
        ('tif', GREY.astype(np.float32) - 100),
    ],
)
@pytest.mark.parametrize('strip', [1 << 22, 100])
def test_deep_images_are_scaled(suffix, values, strip, tmp_path, monkeypatch):
    monkeypatch.setattr('mmwsss.utils.image_io.STRIP', strip)
    path = tmp_path / f'a.{suffix}'
    Image.fromarray(values).save(path)
    np.testing.assert_array_equal(read_image(path)[..., 1], np.where(GREY == 180, 255, 0))
    low, high = float(values.min()), float(values.max())
    darker = read_image(path, value_range=(low, low + (high - low) * 2.55))
    assert np.unique(darker).tolist() == [0, 100]
    with pytest.raises(ValueError, match='value_range'):
        read_image(path, value_range=(1, 1))


def test_the_full_range(tmp_path):
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / 'a.png')
    Image.fromarray(GREY.astype(np.float32) / 255).save(tmp_path / 'a.tif')
    for name in ('a.png', 'a.tif'):
        found = read_image(tmp_path / name, value_range='full')
        np.testing.assert_array_equal(found, np.repeat(GREY[..., None], 3, 2))
    Image.fromarray(np.full((5, 5), 0.5, np.float32)).save(tmp_path / 'b.tif')
    assert np.unique(read_image(tmp_path / 'b.tif')).tolist() == [128]


def test_a_few_bright_pixels_count(tmp_path):
    values = np.full((100, 100), 1000, np.uint16)
    values[3, 4] = 2000
    Image.fromarray(values).save(tmp_path / 'a.png')
    found = read_image(tmp_path / 'a.png')
    assert found[3, 4].tolist() == [255] * 3 and found[0, 0].tolist() == [0] * 3


def test_pixels_without_a_value(tmp_path):
    values = GREY.astype(np.float32)
    values[0, 0], values[0, 1] = np.nan, np.inf
    Image.fromarray(values).save(tmp_path / 'a.tif')
    found = read_image(tmp_path / 'a.tif')
    assert found[0, :2].tolist() == [[0] * 3] * 2
    np.testing.assert_array_equal(found[1:, :, 2], np.where(GREY == 180, 255, 0)[1:])
    Image.fromarray(np.full((5, 5), np.nan, np.float32)).save(tmp_path / 'b.tif')
    with pytest.raises(ValueError, match='b.tif: unreadable image .no pixel is a finite number'):
        read_image(tmp_path / 'b.tif')


@pytest.mark.parametrize('factor', [257, 16])
def test_sixteen_bits_per_colour(factor, tmp_path):
    values = np.stack([GREY, GREY // 2, 255 - GREY], 2).astype(np.uint16) * factor
    cv2.imwrite(str(tmp_path / 'a.png'), values)
    found = read_image(tmp_path / 'a.png').astype(int)
    low, high = values.min(), values.max()
    expected = (values.astype(float) - low) * 255 / (high - low)
    assert np.abs(found - expected).max() <= 1
    assert len(np.unique(found)) >= 5


@pytest.mark.parametrize('mode', ['1', 'L', 'P', 'CMYK', 'YCbCr', 'LAB'])
def test_other_modes(mode, tmp_path):
    suffix = 'tif' if mode in ('LAB', 'YCbCr', 'CMYK') else 'png'
    image = Image.fromarray(SHOWN)
    image = image if mode == 'LAB' else image.convert(mode)
    image.save(tmp_path / f'a.{suffix}')
    found = rgb(tmp_path / f'a.{suffix}')
    assert found.shape == SHOWN.shape
    np.testing.assert_array_equal(found, np.array(image.convert('RGB')))


def test_too_many_pixels(tmp_path):
    Image.new('1', (13400, 13400)).save(tmp_path / 'slide_7.png')
    with pytest.raises(ValueError, match='slide_7.png: image of 13400x13400.*MEGAPIXELS=180'):
        read_image(tmp_path / 'slide_7.png')
    with open_image(tmp_path / 'slide_7.png', max_pixels=2e8) as image:
        assert image.size == (13400, 13400)
    assert Image.MAX_IMAGE_PIXELS is not None


@pytest.mark.parametrize('form', ['PNG', 'JPEG', 'TIFF', 'BMP', 'WEBP', 'GIF'])
def test_damage_never_escapes_as_another_error(form, tmp_path):
    stream, rng = io.BytesIO(), np.random.default_rng(0)
    Image.fromarray(SHOWN).save(stream, form)
    data, path = stream.getvalue(), tmp_path / 'a.img'
    for _ in range(150):
        damaged = bytearray(data)
        for position in rng.integers(0, len(data), rng.integers(1, 6)):
            damaged[position] = rng.integers(256)
        path.write_bytes(bytes(damaged)[: rng.integers(1, len(data) + 1)])
        try:
            assert read_image(path).dtype == np.uint8
        except ValueError as error:
            assert str(error).startswith(f'{path}: ')


def test_shrinking():
    image = np.random.default_rng(0).integers(0, 255, (30, 90, 3)).astype(np.uint8)
    assert shrink(image, None) is image and shrink(image, 90) is image
    assert shrink(image, 45).shape == (15, 45, 3) and shrink(image, 1).shape == (1, 1, 3)
    with pytest.raises(ValueError, match='max_side'):
        shrink(image, 0)


@pytest.mark.parametrize('turn', range(1, 9))
@pytest.mark.parametrize('form, difference', [('PNG', 0), ('TIFF', 0), ('JPEG', 12), ('WEBP', 12)])
def test_upright_copies_are_what_was_shown(form, difference, turn, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = turn, 'a camera'
    rows = np.linspace(0, 200, 48)[:, None, None] + np.linspace(0, 50, 32)[None, :, None]
    stored = Image.fromarray(np.broadcast_to(rows, (48, 32, 3)).astype(np.uint8))
    stored.save(tmp_path / 'a.img', form, exif=exif)
    content = upright_content(tmp_path / 'a.img')
    if turn == 1:
        assert content is None
        return
    (tmp_path / 'b.img').write_bytes(content)
    shown, raw = read_image(tmp_path / 'a.img'), read_image(tmp_path / 'b.img', raw=True)
    assert raw.shape == shown.shape
    assert np.abs(raw.astype(int) - shown).max() <= difference
    with Image.open(tmp_path / 'b.img') as image:
        assert image.format == form and orientation_of(image) == 1


HEIC_HEAD = b'\0\0\0\x18ftypheic\0\0\0\0mif1heic'


def test_first_picture_of_a_gif(tmp_path):
    shown = np.zeros((6, 10, 3), np.uint8)
    shown[:3] = (250, 20, 10)
    others = [Image.fromarray(np.full_like(shown, 90))]
    path = tmp_path / 'a.gif'
    Image.fromarray(shown).save(path, save_all=True, append_images=others)
    np.testing.assert_array_equal(rgb(path), shown)
    with open_image(path) as image:
        assert image.is_animated and shown_size(image) == (6, 10)


@pytest.mark.parametrize('name', ['a.heic', 'renamed.jpg'])
def test_heic_without_its_package(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pillow_heif', None)
    monkeypatch.setattr(Image, 'ID', [kind for kind in Image.ID if kind != 'HEIF'])
    path = tmp_path / name
    path.write_bytes(HEIC_HEAD)
    with pytest.raises(ValueError) as error:
        read_image(path)
    assert str(error.value).startswith(f'{path}: a HEIC photo needs pillow_heif: pip install')
    assert 'mmwsss[heic]' in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('orientation', [1, 3, 6, 8])
def test_heic_photos_are_turned_by_their_container(orientation, tmp_path):
    heif = pytest.importorskip('pillow_heif')
    heif.register_heif_opener()
    shown = np.zeros((48, 80, 3), np.uint8)
    shown[:24], shown[24:, :40] = (250, 20, 10), (10, 20, 250)
    # EXIF of an image that Pillow has opened: the encoder notes the turn in the container
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    turn = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
    stored = np.ascontiguousarray(np.rot90(shown, turn))
    Image.fromarray(stored).save(buffer, 'PNG', exif=exif)
    path = tmp_path / 'a.HEIC'
    Image.open(buffer).save(path, 'HEIF', quality=90)
    with open_image(path) as image:
        assert orientation_of(image) == 1 and shown_size(image) == (48, 80)
    assert np.abs(rgb(path).astype(int)[4:-4:8, 4:-4:8] - shown[4:-4:8, 4:-4:8]).max() < 30
    assert upright_content(path) is None
    with pytest.raises(ValueError, match='cut.heic: unreadable image'):
        (tmp_path / 'cut.heic').write_bytes(path.read_bytes()[:-40])
        read_image(tmp_path / 'cut.heic')
