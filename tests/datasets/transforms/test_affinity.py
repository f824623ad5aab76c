"""Transforms of affinity training: label and image move together, and the label is that of the
crop.
"""

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from PIL import Image

from mmwsss.datasets.transforms import (
    AffinityCrop,
    AffinityScale,
    CRFMapsToLabel,
    IRLabelToGrid,
    LoadCRFMaps,
    LoadIRLabel,
)
from mmwsss.functional.affinity import affinity_labels
from mmwsss.registry import TRANSFORMS
from mmwsss.utils.affinity_io import write_crf_maps
from mmwsss.utils.io import write_mask

SIZE = 40, 52


@pytest.fixture
def item(tmp_path):
    """Information of an image whose pixels say where they come from, with CRF maps and a label map
    that say the same.
    """
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    image = np.stack([rows + 1, columns + 1, np.full(SIZE, 200)], 2).astype(np.uint8)  # RGB
    Image.fromarray(image).save(tmp_path / 'a.png')
    la = np.stack([rows / 64, columns / 64, (rows + columns) / 128])
    write_crf_maps(tmp_path / 'a.npz', [3, 8], la, 1 - la)
    write_mask(tmp_path / 'label' / 'a.png', columns)
    return {
        'img_id': 'a',
        'img_path': str(tmp_path / 'a.png'),
        'affinity_path': str(tmp_path / 'a.npz'),
    }


def build(*steps):
    return Compose(
        [
            TRANSFORMS.build({'type': 'mmwsss.LoadImage'}),
            *(step if callable(step) else TRANSFORMS.build(step) for step in steps),
        ]
    )


@pytest.mark.parametrize('crop_size', [(24, 32), (48, 32), (24, 64), (48, 64), SIZE])
@pytest.mark.parametrize('flip', [0.0, 1.0])
def test_label_follows_crop_and_flip(item, crop_size, flip):
    steps = build(
        LoadCRFMaps(),
        AffinityCrop(crop_size),
        {'type': 'mmseg.RandomFlip', 'prob': flip},
        CRFMapsToLabel(8),
    )
    corners = set()
    for seed in range(8):
        np.random.seed(seed)
        results = steps(dict(item))
        image, maps = results['img'], results['crf_maps']
        assert (
            image.shape == (*crop_size, 3)
            and image.dtype == np.uint8
            and maps.shape == (*crop_size, 2, 3)
        )
        inside = image[..., 0] > 0  # BGR: the constant channel
        assert inside.sum() == min(SIZE[0], crop_size[0]) * min(SIZE[1], crop_size[1])
        assert not maps[~inside].any() and not image[~inside].any()
        rows, columns = image[..., 2].astype(int) - 1, image[..., 1].astype(int) - 1
        la = np.stack([rows / 64, columns / 64, (rows + columns) / 128], 2).astype(np.float16)
        np.testing.assert_array_equal(maps[inside][:, 0], la[inside])
        assert (
            np.diff(columns[inside].reshape(-1, min(SIZE[1], crop_size[1]))) == (-1 if flip else 1)
        ).all()
        la, ha = torch.from_numpy(np.ascontiguousarray(maps.transpose(2, 3, 0, 1), np.float32))
        expected = affinity_labels(la, ha, stride=8)
        np.testing.assert_array_equal(results['affinity_label'], expected)
        blocks = inside.reshape(crop_size[0] // 8, 8, -1, 8) if crop_size != SIZE else None
        if blocks is not None:
            assert (results['affinity_label'][~blocks.any((1, 3))] == 255).all()
        corners.add(tuple(np.argwhere(inside)[0]) + (rows[inside].min(), columns[inside].min()))
    assert len(corners) > 1 or crop_size == SIZE


def test_label_is_that_of_pooled_maps(item):
    """Naive loop over the cells of 8x8 pixels, the last of which are cut."""
    results = build(LoadCRFMaps(), CRFMapsToLabel(8))(dict(item))
    maps = results['crf_maps'].astype(np.float64)
    for row, column in np.ndindex(5, 7):
        la, ha = maps[8 * row : 8 * row + 8, 8 * column : 8 * column + 8].sum((0, 1)) / 64
        label = la.argmax() or 255
        assert results['affinity_label'][row, column] == (0 if ha.argmax() == 0 else label)
    assert (
        results['affinity_label'].dtype == np.uint8
        and len(np.unique(results['affinity_label'])) > 1
    )


def test_scale(item):
    item['affinity_path'] = item['affinity_path'].replace('a.npz', 'label/a.png')
    shapes = set()
    for seed in range(6):
        np.random.seed(seed)
        results = build(LoadIRLabel(), AffinityScale((0.5, 1.5)))(dict(item))
        height, width = results['img_shape']
        assert results['img'].shape == (height, width, 3) and results['ir_label'].shape == (
            height,
            width,
        )
        assert 20 <= height <= 60 and abs(width / height - 52 / 40) < 0.06
        column = (np.arange(width) + 0.5) * 52 / width - 0.5
        assert np.abs(results['ir_label'][height // 2] - column).max() < 1.5
        assert np.abs(results['img'][height // 2, 2:-2, 1] - 1.0 - column[2:-2]).max() < 1.6
        shapes.add((height, width))
    assert len(shapes) > 3
    with pytest.raises(ValueError, match='ratio_range'):
        AffinityScale((2, 1))


@pytest.mark.parametrize('size', [(32, 48), (64, 64), (33, 50)])
def test_ir_label_at_the_middle_of_each_cell(item, size):
    item['affinity_path'] = item['affinity_path'].replace('a.npz', 'label/a.png')
    results = build(
        LoadIRLabel(), AffinityCrop(size, img_pad=(104, 116, 124), seg_pad=255), IRLabelToGrid(4)
    )(dict(item))
    label = results['ir_label']
    outside = label == 255
    assert (results['img'][outside] == (104, 116, 124)).all() and outside.any() == (
        size == (64, 64)
    )
    assert results['affinity_label'].shape == ((size[0] - 1) // 4 + 1, (size[1] - 1) // 4 + 1)
    if size[0] % 4 == 0:
        np.testing.assert_array_equal(results['affinity_label'], label[2::4, 2::4])


def test_packing(item):
    packed = build(
        LoadCRFMaps(),
        AffinityCrop((32, 32)),
        CRFMapsToLabel(4),
        {'type': 'mmwsss.PackAffinityInputs'},
    )(dict(item))
    assert packed['inputs'].dtype == torch.uint8 and packed['inputs'].shape == (3, 32, 32)
    sample = packed['data_samples']
    assert sample.affinity_label.data.dtype == torch.int64 and sample.affinity_label.data.shape == (
        1,
        8,
        8,
    )
    assert (
        sample.metainfo['img_id'] == 'a'
        and sample.metainfo['ori_shape'] == SIZE
        and 'gt_tags' not in sample
    )


def test_bad_files_and_options(item, tmp_path):
    write_crf_maps(tmp_path / 'a.npz', [3], np.ones((2, 5, 6)), np.ones((2, 5, 6)))
    with pytest.raises(ValueError, match='a.npz: holds 6x5 .*a.png is 52x40'):
        build(LoadCRFMaps())(dict(item))
    write_mask(tmp_path / 'label' / 'a.png', np.ones((5, 6)))
    with pytest.raises(ValueError, match='a.png: holds 6x5'):
        build(LoadIRLabel())(dict(item, affinity_path=str(tmp_path / 'label' / 'a.png')))
    with pytest.raises(ValueError, match='damaged'):
        build(LoadCRFMaps())(dict(item, affinity_path=item['img_path']))
    for size in ((0, 4), (4, 4, 4)):
        with pytest.raises(ValueError, match='crop_size'):
            AffinityCrop(size)
