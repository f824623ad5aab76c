"""Masks of local views and what they leave visible."""

import pytest
import torch

from mmwsss.functional.masking import object_roi, sample_key_masks, visible_object_flags
from tests.golden_tensors import golden_tensors


@pytest.mark.parametrize('ratio', ['p75', 'p95'])
def test_released_flags(ratio):
    data = golden_tensors('mcc', 'flags/')
    flags = visible_object_flags(
        object_roi(data['cam'], data['cls_label']), data[f'masks_{ratio}'].bool()
    )
    # the first two are the whole views
    assert torch.equal(flags, data[f'flags_{ratio}'][:, 2:] > 0)


def test_against_loops():
    cams, tags, masks = (
        torch.rand(3, 4, 6, 8),
        (torch.rand(3, 4) > 0.5).float(),
        torch.rand(3, 5, 6, 8) < 0.7,
    )
    cams[0, :, 0, 0], cams[1, :, 0, 0], tags[:2, 0] = 0.25, 0.7, 1.0  # the limits themselves
    roi, flags = object_roi(cams, tags), visible_object_flags(object_roi(cams, tags), masks, 0.8)
    for image in range(3):
        values = (cams[image] * tags[image][:, None, None]).amax(0)
        expected = torch.ones(6, 8)
        expected[values <= 0.25] = 0
        expected[values >= 0.7] = 2
        assert torch.equal(roi[image], expected)
        for view in range(5):
            visible = ~masks[image, view]
            assert bool(flags[image, view]) == bool(expected[visible].sum() > 0.8 * visible.sum())
    assert roi[0, 0, 0] == 0 and roi[1, 0, 0] == 2


def test_nothing_visible_and_nothing_tagged_is_negative():
    masks = torch.ones(1, 2, 4, 4, dtype=torch.bool)
    assert not visible_object_flags(torch.full((1, 4, 4), 2.0), masks).any()
    assert not visible_object_flags(
        object_roi(torch.ones(1, 3, 4, 4), torch.zeros(1, 3)), ~masks
    ).any()
    assert not visible_object_flags(
        object_roi(torch.ones(1, 0, 4, 4), torch.zeros(1, 0)), ~masks
    ).any()
    assert visible_object_flags(object_roi(torch.ones(1, 3, 4, 4), torch.eye(3)[:1]), ~masks).all()


def test_masks_are_made_of_independent_cells():
    masks = sample_key_masks(50, 8, (28, 28), scale=4, ratio=0.75)
    assert masks.shape == (50, 8, 28, 28) and masks.dtype == torch.bool
    cells = masks[..., ::4, ::4]
    assert torch.equal(cells.repeat_interleave(4, 2).repeat_interleave(4, 3), masks)
    assert abs(cells.float().mean() - 0.75) < 0.01
    assert (
        abs(torch.corrcoef(cells.flatten(0, 1).flatten(1).T.float()).triu(1).sum() / (49 * 24))
        < 0.01
    )
    assert (
        sample_key_masks(2, 3, (6, 9), scale=3, ratio=1.0).all()
        and not sample_key_masks(2, 3, (6, 9), scale=3, ratio=0.0).any()
    )
    first, second = (
        sample_key_masks(1, 1, (8, 8), generator=torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert torch.equal(first, second)


def test_scale_that_does_not_fit_names_those_that_do():
    with pytest.raises(
        ValueError,
        match='28x28 tokens cannot be cut into cells of 5x5: '
        'the mask scale can be 1, 2, 4, 7, 14, 28',
    ):
        sample_key_masks(1, 8, (28, 28), scale=5)
    with pytest.raises(ValueError, match='the mask scale can be 1, 2 for'):
        sample_key_masks(1, 8, (6, 4), scale=3)
    with pytest.raises(ValueError, match='got 1.5'):
        sample_key_masks(1, 8, (28, 28), ratio=1.5)
