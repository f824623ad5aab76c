"""De-normalisation."""

import pytest
import torch

from mmwsss.functional.images import denormalize
from tests.golden_tensors import golden_tensors

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def test_released_truncation():
    data = golden_tensors('denormalize')
    torch.testing.assert_close(
        denormalize(data['normalised'], MEAN, STD, rounding='floor') / 255,
        data['out'],
        rtol=0,
        atol=1e-7,
    )


def test_rounding_recovers_the_pixels():
    data = golden_tensors('denormalize')
    assert torch.equal(
        denormalize(data['normalised'], MEAN, STD, rounding='round'), data['rgb'].float()
    )
    torch.testing.assert_close(
        denormalize(data['normalised'][0], MEAN, STD), data['rgb'][0].float(), rtol=0, atol=1e-3
    )
    assert denormalize(torch.full((3, 1, 1), 9.0), MEAN, STD, rounding='round').max() == 255


def test_unknown_rounding():
    with pytest.raises(ValueError, match="'round', 'floor' or None"):
        denormalize(torch.zeros(3, 1, 1), MEAN, STD, rounding='ceil')
