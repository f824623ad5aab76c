"""Precision outside of mixed precision."""

import pytest
import torch

from mmwsss.functional.affinity import affinity_l1
from mmwsss.functional.precision import at_least_float32
from mmwsss.functional.random_walk import random_walk


@pytest.mark.parametrize(
    'given, expected',
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_at_least_float32(given, expected):
    assert at_least_float32(torch.ones(2, dtype=given)).dtype == expected


def test_a_long_walk_on_a_cpu_does_not_drift():
    """256 steps on float32 maps are those in float64, rounded once."""
    affinity, maps = affinity_l1(torch.rand(1, 8, 18, 20), 5), torch.rand(1, 2, 18, 20)
    walked = random_walk(affinity, maps, 5, beta=8, num_steps=256)
    exact = random_walk(affinity.double(), maps.double(), 5, beta=8, num_steps=256)
    assert walked.dtype == torch.float32
    assert torch.equal(walked, exact.float())
