"""Scale, flip and crop in one: the crops of the three transforms one after the other."""

import numpy as np
import pytest
from mmcv.transforms import Compose
from PIL import Image

from mmwsss.datasets.transforms import RandomScaleCrop
from mmwsss.registry import TRANSFORMS

CROP = (60, 70)
KEYS = ('img_shape', 'img_box', 'scale_factor', 'flip', 'flip_direction')


def photo(height: int = 75, width: int = 100) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image)


def chain(seg_pad: int = 0) -> Compose:
    return Compose(
        [
            TRANSFORMS.build(step)
            for step in (
                dict(type='RandomScale', ratio_range=(0.5, 2.0), backend='pillow', truncate=True),
                dict(type='mmseg.RandomFlip', prob=0.5),
                dict(type='AffinityCrop', crop_size=CROP, img_pad=7, seg_pad=seg_pad),
            )
        ]
    )


@pytest.mark.parametrize('seed', range(24))
def test_a_seed_gives_the_crop_of_the_chain(seed: int) -> None:
    def run(transform) -> dict:
        np.random.seed(seed)
        return transform(dict(img=photo(), img_shape=(75, 100), seg_fields=[]))

    ours, theirs = run(RandomScaleCrop((0.5, 2.0), CROP, img_pad=7)), run(chain())
    for key in KEYS:
        assert ours[key] == theirs[key], key
    difference = np.abs(ours['img'].astype(int) - theirs['img'])
    assert difference.max() <= 2 and (difference > 0).mean() < 0.03


def test_seeds_cover_flips_padding_and_cuts() -> None:
    found = set()
    for seed in range(24):
        np.random.seed(seed)
        result = RandomScaleCrop((0.5, 2.0), CROP)(dict(img=photo()))
        box = result['img_box']
        found.add((result['flip'], box == (0, *CROP[:1], 0, CROP[1])))
    assert found == {(flip, whole) for flip in (True, False) for whole in (True, False)}


def test_label_maps_go_along() -> None:
    label = np.arange(75 * 100, dtype=np.int64).reshape(75, 100).astype(np.uint8)
    for seed in range(8):
        results = []
        for transform in (RandomScaleCrop((0.5, 2.0), CROP, img_pad=7, seg_pad=255), chain(255)):
            np.random.seed(seed)
            item = dict(
                img=photo(), img_shape=(75, 100), gt_seg_map=label, seg_fields=['gt_seg_map']
            )
            results.append(transform(item)['gt_seg_map'])
        np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(
    'options',
    [
        dict(ratio_range=(2.0, 1.0), crop_size=CROP),
        dict(ratio_range=(1.0, 2.0), crop_size=(0, 4)),
        dict(ratio_range=(1.0, 2.0), crop_size=CROP, flip_prob=1.5),
    ],
)
def test_wrong_options(options: dict) -> None:
    with pytest.raises(ValueError, match='Random|AffinityCrop'):
        RandomScaleCrop(**options)
