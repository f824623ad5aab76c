"""Masks of the localisation protocol: union of instances, ignored region, square."""

import numpy as np
import pytest

from mmwsss.datasets.transforms import LoadWSOLMask
from mmwsss.utils.io import write_mask


@pytest.fixture
def item(tmp_path):
    """Two instances and a region to ignore that overlaps the first, on 8 x 4 pixels."""
    masks = np.zeros((3, 4, 8), np.uint8)
    masks[0, :2, :4] = 1
    masks[1, 2:, 4:] = 1
    masks[2, :, 2:6] = 1
    paths = []
    for index, mask in enumerate(masks):
        paths.append(str(tmp_path / f'{index}.png'))
        write_mask(paths[-1], mask)
    return dict(
        img_path='photo.jpg', mask_paths=paths[:2], ignore_path=paths[2], gt_tags=np.array([6])
    )


def test_union_over_ignored_region(item):
    results = LoadWSOLMask(size=8).transform(dict(item))
    expected = np.zeros((8, 8), np.uint8)
    expected[:, 2:6] = 255  # rows are doubled
    expected[:4, :4] = expected[4:, 4:] = 7
    np.testing.assert_array_equal(results['gt_seg_map'], expected)
    assert results['ori_shape'] == (8, 8) and results['seg_fields'] == ['gt_seg_map']


def test_nearest_pixels_of_a_smaller_square(item):
    results = LoadWSOLMask(size=4).transform(dict(item, ignore_path=None))
    expected = np.zeros((4, 4), np.uint8)
    expected[:2, :2] = expected[2:, 2:] = 7
    np.testing.assert_array_equal(results['gt_seg_map'], expected)


def test_items_without_masks_and_wrong_ones(item):
    assert LoadWSOLMask().transform(dict(img_path='a')) == dict(img_path='a')
    with pytest.raises(ValueError, match='photo.jpg: .*one class, this image has 2'):
        LoadWSOLMask().transform(dict(item, gt_tags=np.array([1, 2])))
    with pytest.raises(FileNotFoundError, match='missing.png'):
        LoadWSOLMask().transform(dict(item, mask_paths=['missing.png']))
