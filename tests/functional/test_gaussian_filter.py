"""Exact Gaussian filtering."""

import pytest
import torch

from mmwsss.functional.gaussian_filter import gaussian_filter


@pytest.mark.parametrize('block', [1, 7, 40, 1000, None])
def test_all_pairs(block):
    features, values = (
        torch.randn(40, 5, dtype=torch.float64),
        torch.rand(40, 3, dtype=torch.float64),
    )
    expected = torch.zeros_like(values)
    for i in range(40):
        for j in range(40):
            expected[i] += torch.exp(-0.5 * (features[i] - features[j]).square().sum()) * values[j]
    torch.testing.assert_close(gaussian_filter(features, values, block), expected)


def test_large_features_keep_their_digits():
    features = torch.rand(50, 3) + 300
    centred = features.double() - 300
    expected = gaussian_filter(centred, torch.ones(50, 1, dtype=torch.float64))
    torch.testing.assert_close(
        gaussian_filter(features, torch.ones(50, 1)).double(), expected, rtol=1e-5, atol=0
    )


def test_edges():
    assert gaussian_filter(torch.zeros(0, 5), torch.zeros(0, 2)).shape == (0, 2)
    assert gaussian_filter(torch.zeros(3, 2), torch.zeros(3, 0)).shape == (3, 0)
    result = gaussian_filter(torch.zeros(2, 2).half(), torch.ones(2, 1).half())
    assert result.dtype == torch.float32 and result.tolist() == [[2.0], [2.0]]
