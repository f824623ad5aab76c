"""Two views of an image, and the random longer side of ACR's augmentation."""

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose

import mmwsss.datasets  # noqa: F401  registers the components
from mmwsss.functional.views import make_view, view_steps
from mmwsss.registry import TRANSFORMS


def image(height=48, width=64):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def two_views(*args, **options):
    return TRANSFORMS.build(
        dict(dict(type='mmwsss.TwoViews'), **(dict(transforms=args[0]) if args else {}), **options)
    )


def test_flip_is_the_default():
    results = two_views()(dict(img=image()))
    np.testing.assert_array_equal(results['views'][0], image())
    np.testing.assert_array_equal(results['views'][1], image()[:, ::-1])
    assert results['view'] == ('hflip',)


@pytest.mark.parametrize('view', ['vflip', 'rot90', 'rot270', 'transpose', ('rot90', 'hflip')])
def test_permutations(view):
    results = two_views([view])(dict(img=image()))
    expected = make_view(torch.from_numpy(image()).permute(2, 0, 1), view).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(results['views'][1], expected)
    assert results['view'] == view_steps(view) and results['views'][1].dtype == np.uint8


def test_images_that_are_no_multiple_of_the_patch():
    """Padding that follows the view would be on another side than in the image."""
    results = two_views(['rot180'], divisor=16)(dict(img=image(40, 50)))
    padded = np.zeros((48, 64, 3), np.uint8)
    padded[:40, :50] = image(40, 50)
    np.testing.assert_array_equal(results['views'][0], padded)
    np.testing.assert_array_equal(results['views'][1], padded[::-1, ::-1])


def test_sizes_are_multiples_of_the_patch():
    seen = set()
    for _ in range(40):
        results = two_views([('transpose', 'resize')], ratio_range=(0.3, 1.5))(dict(img=image()))
        height, width = results['views'][1].shape[:2]
        assert height % 16 == width % 16 == 0 and 16 <= width <= 80 and 16 <= height <= 96
        seen.add((height, width))
    assert len(seen) > 3
    same = two_views(['resize'], ratio_range=(1, 1))(dict(img=image()))
    np.testing.assert_allclose(same['views'][1], image(), atol=1)


def test_each_transform_is_drawn_and_kept_in_the_sample():
    pipeline = Compose(
        [
            two_views(['hflip', 'rot180', ('resize', 'hflip')]),
            TRANSFORMS.build(dict(type='mmwsss.PackTagInputs')),
        ]
    )
    drawn = set()
    for _ in range(40):
        packed = pipeline(dict(img=image(), img_path='a.jpg', num_tags=3, gt_tags=[1]))
        assert len(packed['inputs']) == 2 and packed['inputs'][0].shape == (3, 48, 64)
        drawn.add(packed['data_samples'].metainfo['view'])
    assert drawn == {('hflip',), ('rot180',), ('resize', 'hflip')}


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(transforms=()), 'at least one transform'),
        (dict(transforms=['flip']), 'unknown step'),
        (dict(ratio_range=(0, 1)), 'ratio_range'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        two_views(**options)


def test_random_long_side():
    transform = TRANSFORMS.build(dict(type='mmwsss.RandomLongSide', low=30, high=40))
    sides = set()
    for _ in range(60):
        results = transform(dict(img=image(), seg_fields=[]))
        height, width = results['img'].shape[:2]
        assert abs(height - width * 48 / 64) <= 0.5 and results['img_shape'] == (height, width)
        np.testing.assert_allclose(results['scale_factor'], (width / 64, height / 48))
        sides.add(width)
    assert {min(sides), max(sides)} == {30, 40}
    assert transform(dict(img=image(64, 16)))['img'].shape[0] in range(30, 41)
    with pytest.raises(ValueError, match='1 <= low <= high'):
        TRANSFORMS.build(dict(type='mmwsss.RandomLongSide', low=3, high=2))
    with pytest.raises(ValueError, match='images alone'):
        transform(dict(img=image(), seg_fields=['gt_seg_map']))
