"""Polygons that enclose exactly the pixels of a region, holes included."""

import cv2
import numpy as np
import pytest

from mmwsss.functional.polygons import (
    Region,
    connected_regions,
    fill_polygon,
    region_to_polygon,
)


def random_mask(seed, size=(37, 53)):
    """Label map with islands, holes and thin parts; 255 included."""
    noise = np.random.default_rng(seed).random(size)
    mask = np.digitize(cv2.GaussianBlur(noise, (0, 0), 1.2), [0.46, 0.5, 0.56]).astype(np.uint8)
    mask[mask == 3] = 255
    return mask


def painted(region, size):
    whole = np.zeros(size, np.uint8)
    height, width = region.mask.shape
    whole[region.top : region.top + height, region.left : region.left + width] = region.mask
    return whole


@pytest.mark.parametrize('seed', range(8))
def test_round_trip_is_exact(seed):
    mask = random_mask(seed)
    for region in connected_regions(mask):
        filled = fill_polygon(np.zeros_like(mask), region_to_polygon(region), 1)
        assert np.array_equal(filled, painted(region, mask.shape))


def test_regions_cover_the_foreground():
    mask = random_mask(3)
    total = np.zeros_like(mask)
    for region in connected_regions(mask):
        total += painted(region, mask.shape) * region.label
    assert np.array_equal(total, np.where(mask == 255, 0, mask))
    assert list(connected_regions(mask, min_area=10_000)) == []
    assert list(connected_regions(np.zeros((4, 5), np.uint8))) == []


def test_ring_with_two_holes():
    mask = np.ones((12, 20), bool)
    mask[3:6, 3:6] = mask[5:9, 10:15] = False
    polygon = region_to_polygon(Region(4, 100, 200, mask))
    filled = fill_polygon(np.zeros((130, 240), np.uint8), polygon, 7)
    expected = np.zeros_like(filled)
    expected[100:112, 200:220][mask] = 7
    assert np.array_equal(filled, expected)


def test_simplification_stays_close():
    yy, xx = np.mgrid[:200, :200]
    disc = Region(1, 0, 0, (yy - 100) ** 2 + (xx - 100) ** 2 < 80**2)
    exact, simple = region_to_polygon(disc), region_to_polygon(disc, tolerance=1.0)
    assert len(simple) < len(exact) / 4
    filled = fill_polygon(np.zeros((200, 200), np.uint8), simple, 1).astype(bool)
    assert (filled & disc.mask).sum() / (filled | disc.mask).sum() > 0.98


def test_one_pixel():
    region = Region(1, 2, 3, np.ones((1, 1), bool))
    filled = fill_polygon(np.zeros((6, 6), np.uint8), region_to_polygon(region, 2.0), 1)
    assert filled.sum() == 1 and filled[2, 3] == 1


def test_polygons_may_leave_the_image():
    outside = np.array([(-5, -5), (3, -5), (3, 40), (-5, 40)], float)
    filled = fill_polygon(np.zeros((4, 6), np.uint8), outside, 9)
    assert (filled[:, :3] == 9).all() and not filled[:, 3:].any()
