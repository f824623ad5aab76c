"""Crops of ToCo's local views."""

import pytest
import torch

from mmwsss.functional.crops import sample_uncertain_crops, take_crops


def test_centres_are_no_objects():
    roi = torch.full((2, 20, 30), 2.0)
    roi[0, 5:9, 10:14], roi[1, 12, 20:24] = 0.0, 1.0
    for _ in range(20):
        corners = sample_uncertain_crops(roi, 3, 8)
        assert corners.shape == (2, 3, 2) and bool((corners >= 0).all())
        assert bool((corners[..., 0] <= 12).all()) and bool((corners[..., 1] <= 22).all())
        for image in range(2):
            centres = corners[image] + 4
            assert all(roi[image, y, x] <= 1 for y, x in centres.tolist())
            assert len({tuple(centre) for centre in centres.tolist()}) == 3  # without repetition


def test_any_pixel_where_too_few_are_uncertain():
    roi = torch.full((1, 12, 12), 2.0)
    roi[0, 6, 6] = 0
    seen = torch.cat([sample_uncertain_crops(roi, 2, 4)[0] for _ in range(100)])
    assert len({tuple(corner) for corner in seen.tolist()}) > 40


def test_a_crop_as_large_as_the_view():
    assert torch.equal(
        sample_uncertain_crops(torch.zeros(1, 8, 8), 3, 8), torch.zeros(1, 3, 2, dtype=torch.long)
    )
    assert sample_uncertain_crops(torch.zeros(1, 8, 9), 5, 7).amax() <= 2
    with pytest.raises(ValueError, match='crops of 9 pixels do not fit a view of 10x8'):
        sample_uncertain_crops(torch.zeros(1, 8, 10), 3, 9)


def test_take_crops():
    images, corners = torch.rand(2, 3, 10, 12), torch.tensor([[[0, 0], [4, 6]], [[2, 3], [5, 5]]])
    crops = take_crops(images, corners, 5)
    assert crops.shape == (2, 2, 3, 5, 5)
    assert torch.equal(crops[0, 1], images[0, :, 4:9, 6:11]) and torch.equal(
        crops[1, 0], images[1, :, 2:7, 3:8]
    )
    assert torch.equal(take_crops(images[:, 0], corners, 5), crops[:, :, 0])
