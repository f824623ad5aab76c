"""Random scaling."""

import numpy as np
import pytest

from mmwsss.datasets.transforms import RandomScale


def test_image_and_mask_keep_together():
    np.random.seed(0)
    mask = np.zeros((20, 30), np.uint8)
    mask[:10], mask[10:, :5] = 7, 255
    image = np.repeat(mask[..., None], 3, 2)
    sizes = set()
    for _ in range(20):
        results = RandomScale((0.5, 2.0))(
            {'img': image, 'gt_seg_map': mask, 'seg_fields': ['gt_seg_map']}
        )
        height, width = results['img_shape']
        assert results['img'].shape == (height, width, 3) and results['gt_seg_map'].shape == (
            height,
            width,
        )
        assert set(np.unique(results['gt_seg_map'])) <= {0, 7, 255}
        assert abs(width / height - 1.5) < 0.15
        assert results['scale_factor'] == (width / 30, height / 20)
        sizes.add((height, width))
    assert len(sizes) > 5 and min(sizes)[0] >= 10 and max(sizes)[0] <= 40


def test_a_fixed_factor_without_a_mask():
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    results = RandomScale((1, 1))({'img': image})
    np.testing.assert_array_equal(results['img'], image)
    assert results['img_shape'] == (4, 6)


@pytest.mark.parametrize('ratio_range', [(0, 1), (2, 1)])
def test_bad_range(ratio_range):
    with pytest.raises(ValueError, match='ratio_range'):
        RandomScale(ratio_range)


def test_one_of_several_factors():
    np.random.seed(0)
    image = np.zeros((20, 30, 3), np.uint8)
    shapes = {RandomScale(ratios=(0.5, 1.0, 1.5))({'img': image})['img_shape'] for _ in range(30)}
    assert shapes == {(10, 15), (20, 30), (30, 45)}


@pytest.mark.parametrize(
    'kwargs', [{}, {'ratio_range': (1, 2), 'ratios': (1,)}, {'ratios': ()}, {'ratios': (0, 1)}]
)
def test_bad_ratios(kwargs):
    with pytest.raises(ValueError, match='RandomScale'):
        RandomScale(**kwargs)
