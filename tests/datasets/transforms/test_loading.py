"""LoadImage and LoadMask."""
import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.transforms import LoadImage, LoadMask
from mmwsss.utils.io import write_mask


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


def test_mask(tmp_path):
    mask = np.array([[0, 1, 2], [255, 0, 0]], np.uint8)
    write_mask(tmp_path / 'a.png', mask)
    item = {'seg_map_path': str(tmp_path / 'a.png'), 'ori_shape': (2, 3), 'num_tags': 2}
    results = LoadMask()(dict(item))
    np.testing.assert_array_equal(results['gt_seg_map'], mask)
    assert results['seg_fields'] == ['gt_seg_map']
    with pytest.raises(ValueError, match=r'a.png: class ids \[2\]'):
        LoadMask(num_classes=2)(dict(item))
    with pytest.raises(ValueError, match='a.png: mask is 3x2 .width x height., its image is 4x2'):
        LoadMask()({**item, 'ori_shape': (2, 4)})
    with pytest.raises(FileNotFoundError, match='b.png'):
        LoadMask()({**item, 'seg_map_path': str(tmp_path / 'b.png')})


def test_masks_may_be_optional():
    assert LoadMask(optional=True)({'img_path': 'a.jpg'}) == {'img_path': 'a.jpg'}
    with pytest.raises(ValueError, match='a.jpg: LoadMask'):
        LoadMask()({'img_path': 'a.jpg'})
