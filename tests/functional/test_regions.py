"""Regions of maps drawn by hand."""

import torch

from mmwsss.functional.regions import box_masks, find_regions


def drawn():
    plane = torch.zeros(6, 8)
    plane[0, 0], plane[1, 1], plane[2, 0] = 0.5, 0.9, 0.6  # one region: corners touch
    plane[4:6, 5:8] = 0.45
    plane[5, 6] = 1.0
    plane[0, 7] = 0.4  # not above the threshold
    return plane


def test_boxes_and_peaks():
    first, second = find_regions(drawn(), 0.4)
    assert first.box == (0, 3, 0, 2) and first.peak == (1, 1)
    assert second.box == (4, 6, 5, 8) and second.peak == (5, 6)
    assert find_regions(torch.zeros(3, 3), 0.4) == []


def test_a_peak_is_inside_its_own_region():
    """The box of a hook holds a brighter dot that belongs to another region."""
    plane = torch.zeros(7, 7)
    plane[0, :5] = plane[:5, 0] = 0.5
    plane[3, 3] = 1.0
    hook, dot = find_regions(plane, 0.4)
    assert hook.box == (0, 5, 0, 5) and hook.peak == (0, 0)
    assert dot.peak == (3, 3)


def test_masks_of_several_maps():
    maps = torch.stack([drawn(), torch.zeros(6, 8)])[None]
    masks = box_masks(maps, 0.4)
    expected = torch.zeros(6, 8, dtype=torch.bool)
    expected[0:3, 0:2] = expected[4:6, 5:8] = True
    assert masks.shape == (1, 2, 6, 8)
    assert torch.equal(masks[0, 0], expected) and not masks[0, 1].any()
    assert box_masks(maps[:, :0], 0.4).shape == (1, 0, 6, 8)
