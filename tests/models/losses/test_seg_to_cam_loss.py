"""The segmentation guides the maps: released versions and Eq. 8."""

import math

import pytest
import torch

from mmwsss.models.losses import SegToCAMLoss
from tests.golden_tensors import golden_tensors


@pytest.mark.parametrize(
    'version, case',
    [(version, f'{version}_{t}') for version in ('v1', 'v2', 'v3') for t in ('t0.01', 't1')]
    + [('paper', 'v1norelu_t0.01')],
)
def test_released(version, case):
    golden = golden_tensors('cosa_core')
    cams = golden['cl_cam'].requires_grad_()
    loss = SegToCAMLoss(version)(cams, golden['spl_' + case.split('_')[1]])
    loss.backward()
    torch.testing.assert_close(loss.detach(), golden[f'cl_{case}'], rtol=1e-5, atol=0)
    torch.testing.assert_close(cams.grad, golden[f'cl_{case}_grad'], rtol=1e-5, atol=1e-9)


def test_paper_in_float64():
    golden = golden_tensors('cosa_paper', 's2c_')
    torch.testing.assert_close(
        SegToCAMLoss('paper')(golden['cam'], golden['spl']), golden['loss'], rtol=1e-10, atol=1e-10
    )


def test_floor_of_the_released_form():
    """Perfect negatives cost ln 2 with the ReLU, nothing without."""
    cams, probs = torch.full((1, 2, 4, 4), -50.0, requires_grad=True), torch.zeros(1, 3, 8, 8)
    probs[:, 0] = 1
    loss = SegToCAMLoss()(cams, probs)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2)) and not cams.grad.any()
    assert SegToCAMLoss('v1', relu=False)(cams, probs) < 1e-6


@pytest.mark.parametrize('version', ['v1', 'v2', 'v3', 'paper'])
def test_constant_maps_and_half_precision(version):
    cams = torch.zeros(1, 2, 4, 4, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast('cpu', torch.bfloat16):
        loss = SegToCAMLoss(version)(cams, torch.rand(1, 3, 16, 16).softmax(1))
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and cams.grad.isfinite().all()


def test_unknown_version():
    with pytest.raises(ValueError, match="'v1', 'v2', 'v3' or 'paper'"):
        SegToCAMLoss('v4')
