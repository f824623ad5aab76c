"""LoadMask."""

import numpy as np
import pytest

from mmwsss.datasets.transforms import LoadMask
from mmwsss.utils.io import write_mask


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


def test_white_can_be_a_class(tmp_path):
    write_mask(tmp_path / 'a.png', np.uint8([[0, 255, 1]]))
    item = dict(seg_map_path=str(tmp_path / 'a.png'), num_tags=1, ori_shape=(1, 3))
    assert LoadMask()(dict(item))['gt_seg_map'].tolist() == [[0, 255, 1]]
    assert LoadMask(white=1)(dict(item))['gt_seg_map'].tolist() == [[0, 1, 1]]
