"""Views of an image: what they share, and the box of the crop."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate

from mmwsss.datasets.transforms import AffinityCrop, MultiViews, PackTagInputs, RandomScale
from mmwsss.models import ViewsDataPreprocessor

FLIP, INVERT = (
    dict(type='mmpretrain.RandomFlip', prob=1.0),
    dict(type='mmpretrain.Invert', prob=1.0),
)
CROP = dict(type='mmwsss.AffinityCrop', crop_size=(24, 24))


def item(height=20, width=40):
    image = np.random.default_rng(0).integers(1, 255, (height, width, 3), np.uint8)
    return dict(
        img=image,
        img_shape=(height, width),
        ori_shape=(height, width),
        img_path='a.jpg',
        img_id='a',
        seg_fields=[],
        num_tags=3,
        gt_tags=[1],
    )


def test_views():
    original = item()['img']
    results = MultiViews(
        [[], [INVERT], dict(source='original', steps=[FLIP]), dict(steps=[FLIP])], base=[CROP]
    )(item())
    first, inverted, flipped, mirrored = results['views']
    assert (
        first.shape == (24, 24, 3)
        and results['img_shape'] == (24, 24)
        and np.array_equal(results['img'], first)
    )
    np.testing.assert_array_equal(inverted, 255 - first)
    np.testing.assert_array_equal(flipped, original[:, ::-1])
    np.testing.assert_array_equal(mirrored, first[:, ::-1])
    assert 'flip' not in results  # what a view does to itself is its own business


def test_box_of_the_crop():
    for seed in range(20):
        np.random.seed(seed)
        results = AffinityCrop((24, 24), img_pad=0)(item())
        y0, y1, x0, x1 = results['img_box']
        inside = results['img'].any(2)
        assert (
            (y1 - y0, x1 - x0) == (20, 24)
            and inside[y0:y1, x0:x1].all()
            and inside.sum() == 20 * 24
        )
    assert AffinityCrop((16, 16))(item())['img_box'] == (0, 16, 0, 16)


def test_packed_views_become_batches():
    items = [PackTagInputs()(MultiViews([[], [INVERT]], base=[CROP])(item())) for _ in range(3)]
    data = ViewsDataPreprocessor()(pseudo_collate(items), True)
    assert [tuple(view.shape) for view in data['inputs']] == [(3, 3, 24, 24)] * 2
    boxes = [sample.metainfo['img_box'] for sample in data['data_samples']]
    assert all(box[1] - box[0] == 20 and box[3] - box[2] == 24 for box in boxes)
    alone = ViewsDataPreprocessor()(
        dict(inputs=[part['inputs'][1] for part in items], data_samples=[None] * 3), True
    )
    assert torch.equal(data['inputs'][1], alone['inputs'])
    other = PackTagInputs()(MultiViews([[], [INVERT]])(item(10, 10)))
    with pytest.raises(ValueError, match='one size, got 24x24, 10x10'):
        ViewsDataPreprocessor()(pseudo_collate([items[0], other]), True)


def test_sizes_are_truncated():
    for _ in range(20):
        results = RandomScale((0.5, 2.0), backend='pillow', truncate=True)(item(21, 40))
        height, width = results['img_shape']
        assert height <= 21 * (width + 1) / 40 and width <= 40 * (height + 1) / 21
    image = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    averaged, skipped = (
        RandomScale((0.25, 0.25), backend=backend)({'img': image})['img']
        for backend in ('pillow', 'cv2')
    )
    assert averaged.shape == skipped.shape == (2, 2, 3) and not np.array_equal(averaged, skipped)


def test_wrong_views():
    with pytest.raises(ValueError, match='transforms of at least one view'):
        MultiViews([])
    with pytest.raises(ValueError, match='a view is a list of transforms or dict'):
        MultiViews([dict(source='crop', steps=[])])
