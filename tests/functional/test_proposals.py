"""Segment means against a loop; the rules of merging proposals, one by one."""

import pytest
import torch

from mmwsss.functional.proposals import merge_proposals, segment_means, segment_shares


def test_segment_shares():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (7, 9), generator=generator)
    segments = torch.randint(0, 5, (7, 9), generator=generator)
    segments[segments == 2] = 3  # an id without pixels
    expected = torch.empty(4, 7, 9)
    for segment in segments.unique():
        inside = segments == segment
        for label in range(4):
            expected[label][inside] = (labels[inside] == label).float().mean()
    torch.testing.assert_close(segment_shares(labels, segments, 4), expected)
    empty = torch.zeros(0, 4, dtype=torch.long)
    assert segment_shares(empty, empty, 2).shape == (2, 0, 4)
    with pytest.raises(ValueError, match='do not fit'):
        segment_shares(labels, segments[:6], 3)


def test_segment_means():
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 7, 9, generator=generator)
    segments = torch.randint(0, 5, (7, 9), generator=generator)
    segments[segments == 2] = 3  # an id without pixels
    expected = torch.empty(2, 7, 9)
    for segment in segments.unique():
        inside = segments == segment
        expected[:, inside] = maps[:, inside].mean(1, keepdim=True)
    torch.testing.assert_close(segment_means(maps, segments), expected)
    assert segment_means(maps[:0], segments).shape == (0, 7, 9)
    with pytest.raises(ValueError, match='do not fit'):
        segment_means(maps, segments[:6])


def box(top, bottom, left, right, size=(10, 12)):
    mask = torch.zeros(size, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


def labels_of(*regions):
    labels = torch.zeros(10, 12, dtype=torch.long)
    for region, label in regions:
        labels[region] = label
    return labels


def test_overlap_vote():
    """Half of the proposal is class 3: the proposal becomes class 3, the rest background."""
    labels = labels_of((box(0, 4, 0, 4), 3))
    merged = merge_proposals(labels, [box(0, 4, 2, 6)], min_overlap=0.5, min_cover=1.0)
    assert torch.equal(merged, labels_of((box(0, 4, 2, 6), 3)))
    merged = merge_proposals(labels, [box(0, 4, 2, 6)], min_overlap=0.51, min_cover=1.0)
    assert torch.equal(merged, labels)


def test_covered_by():
    """A large proposal that covers nearly all of a small seed is taken, too."""
    labels = labels_of((box(4, 6, 4, 6), 1))
    large = box(2, 9, 2, 9)
    assert torch.equal(merge_proposals(labels, [large]), labels_of((large, 1)))
    assert torch.equal(merge_proposals(labels, [box(5, 10, 2, 9)]), labels)


def test_seeds_stay_where_nothing_fits():
    first, second = box(0, 4, 0, 4), box(6, 9, 6, 9)
    labels = labels_of((first, 1), (second, 2))
    wider = box(0, 5, 0, 5)
    assert torch.equal(merge_proposals(labels, [wider]), labels_of((wider, 1), (second, 2)))
    assert torch.equal(merge_proposals(labels, []), labels)
    empty = torch.zeros_like(labels)
    assert torch.equal(merge_proposals(empty, [wider]), empty)


def test_small_proposals_win_and_255_is_not_a_class():
    labels = labels_of((box(0, 8, 0, 8), 1), (box(2, 4, 2, 4), 2), (box(9, 10, 0, 12), 255))
    merged = merge_proposals(labels, [box(2, 4, 2, 4), box(0, 9, 0, 8), box(9, 10, 0, 12)])
    assert torch.equal(
        merged,
        labels_of((box(0, 9, 0, 8), 1), (box(2, 4, 2, 4), 2), (box(9, 10, 0, 12), 255)),
    )


def test_sizes():
    with pytest.raises(ValueError, match=r'\(3, 3\) does not fit labels of \(10, 12\)'):
        merge_proposals(labels_of((box(0, 4, 0, 4), 1)), [torch.ones(3, 3, dtype=torch.bool)])
