"""LoadImage."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.transforms import LoadImage


def test_image_is_bgr_and_sets_what_other_transforms_need(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    Image.fromarray(rgb).save(tmp_path / 'a.png')
    results = LoadImage()({'img_path': str(tmp_path / 'a.png')})
    np.testing.assert_array_equal(results['img'], rgb[..., ::-1])
    assert results['img_shape'] == results['ori_shape'] == (5, 7)
    assert results['seg_fields'] == []


@pytest.mark.parametrize('mode', ['L', 'P', '1', 'CMYK', 'RGBA', 'LA'])
def test_other_modes_become_colour_images(tmp_path, mode):
    Image.new(mode, (7, 5)).save(tmp_path / ('a.tif' if mode == 'CMYK' else 'a.png'))
    path = next(tmp_path.iterdir())
    assert LoadImage()({'img_path': str(path)})['img'].shape == (5, 7, 3)


def test_bad_images(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'\xff\xd8')
    with pytest.raises(ValueError, match='a.jpg: unreadable'):
        LoadImage()({'img_path': str(tmp_path / 'a.jpg')})
    with pytest.raises(FileNotFoundError, match='b.jpg'):
        LoadImage()({'img_path': str(tmp_path / 'b.jpg')})


def test_transparent_pixels_and_deep_values_follow_the_options(tmp_path):
    Image.new('RGBA', (7, 5), (9, 9, 9, 0)).save(tmp_path / 'clear.png')
    results = LoadImage(alpha_color=(1, 2, 3))({'img_path': str(tmp_path / 'clear.png')})
    assert (results['img'] == (3, 2, 1)).all()
    Image.fromarray(np.full((5, 7), 1000, np.uint16)).save(tmp_path / 'deep.png')
    results = LoadImage(value_range=(0, 2000))({'img_path': str(tmp_path / 'deep.png')})
    assert (results['img'] == 128).all()


def test_orientation_raw_pixels_and_size(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path, rgb = tmp_path / 'a.png', np.random.default_rng(0).integers(0, 255, (30, 40, 3))
    Image.fromarray(rgb.astype(np.uint8)).save(path, exif=exif)
    shown = LoadImage()({'img_path': str(path)})
    np.testing.assert_array_equal(shown['img'], np.rot90(rgb, -1)[..., ::-1])
    raw = LoadImage()({'img_path': str(path), 'raw_pixels': True})
    np.testing.assert_array_equal(raw['img'], rgb[..., ::-1])
    for results in (
        LoadImage(max_side=20)({'img_path': str(path)}),
        LoadImage()({'img_path': str(path), 'max_side': 20}),
    ):
        assert results['img'].shape == (20, 15, 3) and results['img_shape'] == (20, 15)
        assert results['ori_shape'] == (40, 30)
    with pytest.raises(ValueError, match='a.png: image of 40x30'):
        LoadImage(max_pixels=1000)({'img_path': str(path)})
