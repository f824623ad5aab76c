import io

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from mmwsss.utils.io import voc_palette
from mmwsss.visualization import (
    draw_cam_grid,
    encode_image,
    overlay_cam,
    overlay_mask,
    sample_tiles,
)
from mmwsss.visualization.overlay import CAPTION_HEIGHT, GAP


def image_of(height=6, width=9, value=100):
    return np.full((height, width, 3), value, np.uint8)


def sample_of(name='a', height=30, width=40, num_cams=1, **parts):
    cams = [
        (
            f'class {index}',
            np.linspace(0, 1, height * width, dtype=np.float32).reshape(height, width),
        )
        for index in range(num_cams)
    ]
    return {
        'id': name,
        'image': image_of(height, width),
        'cams': cams,
        'tags': [cam[0] for cam in cams],
        **parts,
    }


def test_overlay_cam_blends_known_colours():
    cam = np.zeros((6, 9), np.float32)
    cam[2, 3] = 1
    drawn = overlay_cam(image_of(), cam, 0.25)
    high, low = (np.array(colormaps['turbo'](value, bytes=True)[:3], float) for value in (255, 0))
    assert drawn.shape == (6, 9, 3) and drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn[2, 3], np.rint(75 + 0.25 * high))
    np.testing.assert_array_equal(drawn[0, 0], np.rint(75 + 0.25 * low))


def test_overlay_cam_limits_of_alpha_and_values():
    image = np.arange(6 * 9 * 3, dtype=np.uint8).reshape(6, 9, 3)
    cam = np.linspace(-1, 2, 54).reshape(6, 9)
    cam[0, 5] = np.nan
    grey = np.asarray(Image.fromarray(image).convert('L'))
    np.testing.assert_array_equal(overlay_cam(image, cam, 0), np.repeat(grey[..., None], 3, 2))
    full = overlay_cam(image, cam, 1, colormap='viridis')
    colors = colormaps['viridis'](np.arange(256), bytes=True)[:, :3]
    np.testing.assert_array_equal(full[0, 5], colors[0])
    np.testing.assert_array_equal(full[0, 0], colors[0])
    np.testing.assert_array_equal(full[-1, -1], colors[255])


def test_overlay_cam_resizes_and_leaves_input_alone():
    image, cam = image_of(12, 20), np.array([[0, 1]], np.float16)
    drawn = overlay_cam(image, cam, 1, colormap='gray')
    assert drawn.shape == (12, 20, 3)
    row = drawn[5, :, 0].astype(int)
    assert row[0] == 0 and row[-1] == 255 and (np.diff(row) >= 0).all() and len(np.unique(row)) > 5
    assert (image == 100).all()


@pytest.mark.parametrize(
    'image, cam, message',
    [
        (np.zeros((4, 4), np.uint8), np.zeros((4, 4)), r'\(H,W,3\)'),
        (np.zeros((4, 4, 3), np.float32), np.zeros((4, 4)), 'uint8'),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 4)), r'\(h,w\)'),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4)), r'\(h,w\)'),
    ],
)
def test_overlay_cam_rejects_wrong_shapes(image, cam, message):
    with pytest.raises(ValueError, match=message):
        overlay_cam(image, cam)


def test_overlay_rejects_wrong_options():
    with pytest.raises(ValueError, match='alpha'):
        overlay_cam(image_of(), np.zeros((6, 9)), 1.5)
    with pytest.raises(ValueError, match='nope'):
        overlay_cam(image_of(), np.zeros((6, 9)), colormap='nope')
    with pytest.raises(ValueError, match='alpha'):
        overlay_mask(image_of(), np.zeros((6, 9), np.uint8), alpha=-0.1)


def test_overlay_mask_colours_regions_borders_and_background():
    mask = np.zeros((9, 9), np.uint8)
    mask[1:8, 1:8] = 15
    drawn = overlay_mask(image_of(9, 9), mask, alpha=0.5)
    person = voc_palette()[15].astype(float)
    np.testing.assert_array_equal(drawn[0, 0], [100, 100, 100])
    np.testing.assert_array_equal(drawn[4, 4], np.rint(50 + 0.5 * person))
    np.testing.assert_array_equal(drawn[1, 4], np.rint((person + 255) / 2))
    np.testing.assert_array_equal(overlay_mask(image_of(9, 9), mask, alpha=0), image_of(9, 9))


def test_overlay_mask_takes_palette_and_ignore_label():
    palette = np.array([[0, 0, 0], [10, 20, 30]], np.uint8)
    np.testing.assert_array_equal(
        overlay_mask(image_of(), np.ones((6, 9), np.int64), palette, alpha=1)[3, 3], [10, 20, 30]
    )
    np.testing.assert_array_equal(
        overlay_mask(image_of(), np.full((6, 9), 255, np.uint8), alpha=1)[3, 3], voc_palette()[255]
    )
    with pytest.raises(ValueError, match='0..255 do not fit a palette of 2'):
        overlay_mask(image_of(), np.array([[0, 255]], np.uint8), palette)
    with pytest.raises(ValueError, match='float'):
        overlay_mask(image_of(), np.zeros((6, 9)))


def test_overlay_mask_resizes_by_nearest_neighbour():
    mask = np.array([[1, 2], [2, 1]], np.uint8)
    drawn = overlay_mask(image_of(400, 600), mask, alpha=1)
    palette = voc_palette()
    np.testing.assert_array_equal(drawn[20, 20], palette[1])
    np.testing.assert_array_equal(drawn[20, 580], palette[2])
    np.testing.assert_array_equal(drawn[380, 20], palette[2])
    small = overlay_mask(image_of(2, 2), np.kron(mask, np.ones((5, 7), np.uint8)), alpha=1)
    np.testing.assert_array_equal(small, overlay_mask(image_of(2, 2), mask, alpha=1))


def test_sample_tiles_order_sizes_and_missing_parts():
    labels = np.zeros((30, 40), np.uint8)
    tiles = sample_tiles(sample_of(num_cams=2, gt=labels, mask=labels, seg=labels), side=80)
    assert [tile[0] for tile in tiles] == ['image', 'gt', 'cam', 'cam', 'mask', 'seg']
    assert [tile[1] for tile in tiles][2:4] == ['class 0', 'class 1']
    assert {tile[2].shape for tile in tiles} == {(60, 80, 3)}
    assert [tile[0] for tile in sample_tiles({'image': image_of(), 'gt': None, 'cams': []})] == [
        'image'
    ]
    assert sample_tiles(sample_of(height=100, width=1, num_cams=0), side=10)[0][2].shape == (
        10,
        1,
        3,
    )


def test_grid_lines_up_columns_of_samples_that_differ():
    cell, labels = 40, np.zeros((30, 40), np.uint8)
    rows = [
        sample_of('first', num_cams=2, mask=labels),
        sample_of('tall', 40, 20, num_cams=0, mask=labels[:, :20]),
    ]
    grid = draw_cam_grid(rows, cell=cell)
    assert grid.dtype == np.uint8
    assert grid.shape == (30 + 40 + 2 * CAPTION_HEIGHT + 3 * GAP, 4 * (cell + GAP) + GAP, 3)
    second = 2 * GAP + CAPTION_HEIGHT + 30 + CAPTION_HEIGHT
    mask_column = GAP + 3 * (cell + GAP)
    assert (grid[GAP + CAPTION_HEIGHT + 5, mask_column + 5] == 100).all()
    assert (grid[second + 5, mask_column + 20] == 100).all()
    assert (grid[second : second + 40, GAP + cell + GAP : mask_column - GAP] == 255).all()
    caption = grid[GAP : GAP + CAPTION_HEIGHT, GAP : GAP + cell]
    assert caption.min() < 120


def test_grid_shortens_captions_and_needs_samples():
    grid = draw_cam_grid([sample_of('a very long\nname ' * 9, num_cams=0)], cell=40)
    assert (grid[: GAP + CAPTION_HEIGHT, : GAP - 2] == 255).all() and (
        grid[: GAP + CAPTION_HEIGHT, -GAP + 2 :] == 255
    ).all()
    with pytest.raises(ValueError, match='0 samples'):
        draw_cam_grid([])


def test_encode_image_round_trip():
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3)).astype(np.uint8)
    data = encode_image(image)
    assert data.startswith(b'\x89PNG')
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(data))), image)
    assert Image.open(io.BytesIO(encode_image(image, 'JPEG'))).size == (5, 7)
