"""PackTagInputs."""

import numpy as np
import torch
from mmengine.dataset import pseudo_collate

from mmwsss.datasets.transforms import PackTagInputs
from mmwsss.structures import WSSSDataSample


def item(height=4, width=6, **kwargs):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return {
        'img': image,
        'img_id': 'a',
        'img_path': 'a.jpg',
        'ori_shape': (height, width),
        'img_shape': (height, width, 3),
        **kwargs,
    }


def test_image_tags_and_metainfo():
    results = item(gt_tags=[0, 3], num_tags=5, flip=True)
    packed = PackTagInputs()(results)
    assert packed['inputs'].dtype == torch.uint8
    np.testing.assert_array_equal(packed['inputs'].permute(1, 2, 0), results['img'])
    sample = packed['data_samples']
    assert isinstance(sample, WSSSDataSample)
    assert sample.gt_tags.dtype == torch.float32 and sample.gt_tags.tolist() == [1, 0, 0, 1, 0]
    assert sample.metainfo == {
        'img_id': 'a',
        'img_path': 'a.jpg',
        'ori_shape': (4, 6),
        'img_shape': (4, 6),
        'flip': True,
    }
    assert 'gt_sem_seg' not in sample


def test_no_tag_is_a_row_of_zeros_and_unknown_tags_are_absent():
    assert PackTagInputs()(item(gt_tags=[], num_tags=3))['data_samples'].gt_tags.tolist() == [
        0,
        0,
        0,
    ]
    assert 'gt_tags' not in PackTagInputs()(item(num_tags=3))['data_samples']


def test_mask_and_flipped_image():
    mask = np.arange(24, dtype=np.uint8).reshape(4, 6)
    results = item(gt_seg_map=mask[:, ::-1])
    results['img'] = results['img'][:, ::-1]
    packed = PackTagInputs(meta_keys=('img_id',))(results)
    data = packed['data_samples'].gt_sem_seg.data
    assert data.dtype == torch.int64 and data.shape == (1, 4, 6)
    np.testing.assert_array_equal(data[0], mask[:, ::-1])
    assert packed['inputs'].is_contiguous()
    assert packed['data_samples'].metainfo == {'img_id': 'a'}


def test_the_tensor_has_memory_of_its_own():
    results = item(1, 1)
    packed = PackTagInputs()(results)
    before = packed['inputs'].clone()
    results['img'] += 1
    assert torch.equal(packed['inputs'], before)


def test_views_come_scale_by_scale_out_of_the_collation():
    """MMEngine turns B lists of V views into V lists of B views."""
    image = np.zeros((4, 6, 3), np.uint8)
    image.setflags(write=False)
    items = [PackTagInputs()(item(views=[image, image[:2, :3]])) for _ in range(3)]
    assert [tuple(view.shape) for view in items[0]['inputs']] == [(3, 4, 6), (3, 2, 3)]
    batch = pseudo_collate(items)
    assert [[tuple(view.shape) for view in views] for views in batch['inputs']] == [
        [(3, 4, 6)] * 3,
        [(3, 2, 3)] * 3,
    ]
