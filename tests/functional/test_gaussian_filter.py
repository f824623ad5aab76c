"""Exact Gaussian filtering."""

import pytest
import torch

from mmwsss.functional.gaussian_filter import _kernel, _kernel_by_product, gaussian_filter
from tests.device.emulated_device import DeviceTensor, emulated_device  # noqa: F401


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


@pytest.mark.parametrize('block', [16, None])
def test_cells_that_are_far_apart(block):
    """Clusters of colours, as in photos: what is left out is lost in rounding anyway."""
    generator = torch.Generator().manual_seed(0)
    centres = 15 * torch.rand(8, 5, generator=generator)
    features = (centres[:, None] + 0.5 * torch.randn(8, 100, 5, generator=generator)).flatten(0, 1)
    values = torch.rand(800, 2, generator=generator)
    distance = torch.cdist(features.double(), features.double()).square()
    expected = (-distance / 2).exp() @ values.double()
    result = gaussian_filter(features, values, block)
    torch.testing.assert_close(result.double(), expected, rtol=1e-5, atol=0)


def test_points_that_are_not_numbers_stay_visible():
    features = torch.zeros(40, 2)
    features[3, 1] = torch.nan
    assert gaussian_filter(features, torch.ones(40, 1), 8)[3].isnan().all()


def test_blocks_of_an_accelerator(emulated_device):  # noqa: F811
    features, values = torch.randn(50, 5), torch.rand(50, 3)
    result = gaussian_filter(DeviceTensor(features), DeviceTensor(values), 16)
    torch.testing.assert_close(result.host, gaussian_filter(features, values), rtol=1e-5, atol=1e-6)
    assert not emulated_device.of('wait'), emulated_device.report('wait')


@pytest.mark.parametrize('kernel', [_kernel, lambda a, b: _kernel_by_product(a, b, a.new_empty(9))])
def test_no_product_is_made_with_subnormal_numbers(kernel):
    points = torch.tensor([[0.0], [13.5], [14.0]])
    values = kernel(points, points)
    assert values.min() >= torch.finfo(torch.float32).tiny
    exact = torch.exp(-(points - points.T).square() / 2)
    torch.testing.assert_close(values, exact, rtol=1e-5, atol=1e-25)


def test_edges():
    assert gaussian_filter(torch.zeros(0, 5), torch.zeros(0, 2)).shape == (0, 2)
    assert gaussian_filter(torch.zeros(3, 2), torch.zeros(3, 0)).shape == (3, 0)
    result = gaussian_filter(torch.zeros(2, 2).half(), torch.ones(2, 1).half())
    assert result.dtype == torch.float32 and result.tolist() == [[2.0], [2.0]]
