"""Run lengths of COCO, compared with those that pycocotools makes, and damaged ones."""

import numpy as np
import pytest
from pycocotools import mask as codes

from mmwsss.utils.run_lengths import decode_runs, fill_runs, unpack_runs


def random_mask(seed, size=(7, 9)):
    return np.random.default_rng(seed).random(size) > 0.6


@pytest.mark.parametrize('seed', range(8))
def test_packed_and_plain_runs(seed):
    mask = random_mask(seed, (7 + seed, 9))
    packed = codes.encode(np.asfortranarray(mask.astype(np.uint8)))['counts'].decode()
    for counts in (packed, unpack_runs(packed)):
        found = decode_runs(dict(size=list(mask.shape), counts=counts), mask.shape)
        assert found.dtype == bool and np.array_equal(found, mask)


def test_rows_and_columns():
    assert fill_runs([1, 2, 1], (2, 2)).tolist() == [[False, True], [True, False]]
    assert fill_runs([1, 1, 2], (2, 2), columns=True).tolist() == [[False, False], [True, False]]
    assert fill_runs([0, 4], (2, 2)).all()


@pytest.mark.parametrize(
    'runs', [[3], [5], [], [-1, 5], [10**18, 10**18], [2**62] * 4, ['4'], [[4]], [2.5, 1.5], [None]]
)
def test_runs_that_do_not_add_up(runs):
    with pytest.raises(ValueError, match='do not add up to 2 x 2 pixels'):
        fill_runs(runs, (2, 2))


@pytest.mark.parametrize(
    'shape, message',
    [
        (5, 'expected run lengths'),
        (dict(size=[2, 2]), 'expected run lengths'),
        (dict(size=[2, 3], counts=[4]), r'its size is \[2, 3\]'),
        (dict(size='22', counts=[4]), 'its size is 22, that of the image'),
        (dict(size=[2, 2], counts=4), '"counts" is a int'),
        (dict(size=[2, 2], counts='\x00'), 'not a character of an RLE string'),
        (dict(size=[2, 2], counts='o'), 'ends within a run'),
        (dict(size=[2, 2], counts='o' * 60 + '0'), 'do not add up'),
    ],
)
def test_damage(shape, message):
    with pytest.raises(ValueError, match=message):
        decode_runs(shape, (2, 2))
