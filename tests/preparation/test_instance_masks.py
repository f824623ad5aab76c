"""Label maps of overlapping instances against a loop over pixels."""

import numpy as np
import pytest

from mmwsss.preparation.instance_masks import paint_instances, paint_order


@pytest.mark.parametrize('overlap', ['first', 'smallest'])
def test_against_a_loop(overlap):
    rng = np.random.default_rng(0)
    masks, labels = rng.random((9, 6, 7)) < 0.4, rng.integers(1, 81, 9).tolist()
    areas = [float(mask.sum()) for mask in masks]
    areas[3] = areas[5]
    order = paint_order(areas, overlap)
    result = paint_instances(masks[order[::-1]], [labels[index] for index in order[::-1]], (6, 7))
    for y in range(6):
        for x in range(7):
            there = [index for index in range(9) if masks[index, y, x]]
            winner = min(
                there,
                key=(lambda index: index)
                if overlap == 'first'
                else (lambda index: (areas[index], index)),
                default=None,
            )
            assert result[y, x] == (0 if winner is None else labels[winner])


def test_edges():
    assert (
        not paint_instances([], [], (2, 3)).any()
        and paint_order([]) == []
        and paint_order([3, 1, 1], 'smallest') == [1, 2, 0]
    )
    with pytest.raises(ValueError, match="overlap must be one of .*'last'"):
        paint_order([1], 'last')
