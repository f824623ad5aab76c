"""Reliability of labels (CoSA Eq. 3-4)."""

import pytest
import torch

from mmwsss.functional.reliability import reliability, single_threshold_label
from tests.golden_tensors import golden_tensors


@pytest.mark.parametrize('alpha, beta', [('0.8', '1'), ('0.8', '2'), ('0.9', '0.5')])
def test_perplexity(alpha, beta):
    golden = golden_tensors('cosa_paper', 'raw_')
    value = reliability(golden['nu'], golden['xi'], alpha=float(alpha), beta=float(beta))
    torch.testing.assert_close(1 / value, golden[f'a{alpha}_b{beta}_full_P'], rtol=1e-10, atol=0)


def test_labels():
    golden = golden_tensors('cosa_paper', 'raw_')
    assert torch.equal(
        single_threshold_label(golden['nu'], golden['argmax'], golden['xi']), golden['y']
    )


def test_ends():
    """0 at the threshold, which is foreground, and the same largest value at 0 and 1."""
    nu = torch.tensor([0.45, 0.0, 1.0])
    value = reliability(nu, 0.45)
    assert value[0] == 0 and torch.allclose(value[1:], torch.full((2,), 4.4814), atol=1e-3)
    assert single_threshold_label(nu, torch.tensor([2, 2, 2]), 0.45).tolist() == [3, 0, 3]


@pytest.mark.parametrize('threshold', [-1.0, 0.0, 1.0, 2.0])
def test_extreme_thresholds_are_clipped(threshold):
    assert reliability(torch.linspace(0, 1, 11), threshold).isfinite().all()


def test_half_precision_is_computed_in_single():
    value = reliability(torch.rand(5).half(), 0.5)
    assert value.dtype == torch.float32 and value.isfinite().all()


@pytest.mark.parametrize(
    'options', [dict(alpha=1.0), dict(alpha=1.2), dict(alpha=0), dict(beta=0.0)]
)
def test_options(options):
    with pytest.raises(ValueError, match='must be'):
        reliability(torch.rand(3), 0.5, **options)
