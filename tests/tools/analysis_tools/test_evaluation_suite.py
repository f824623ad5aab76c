"""Both sides of the benchmarks that evaluate files count the same pixels."""

import pytest
import torch

from benchmarks.suites import make_case
from mmwsss.functional.thresholds import OFFICIAL_THRESHOLDS


@pytest.mark.parametrize(
    'item, shape', [('seg_eval', (3, 21)), ('sweep200', (3, len(OFFICIAL_THRESHOLDS), 21))]
)
def test_same_counts(item, shape):
    case = make_case(item, torch.device('cpu'), quick=True)
    ours, plain = case.ours(), case.textbook()
    assert ours.shape == shape and torch.equal(ours, plain) and 0 < ours[0].sum() < ours[2].sum()
