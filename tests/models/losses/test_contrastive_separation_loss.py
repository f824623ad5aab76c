"""CSC against float64 loops, and images without anchors."""

import pytest
import torch

from mmwsss.functional.reliability import single_threshold_label
from mmwsss.models.losses import ContrastiveSeparationLoss
from tests.golden_tensors import golden_tensors


@pytest.fixture
def golden():
    return golden_tensors('cosa_paper', 'csc_')


@pytest.mark.parametrize(
    'case, options',
    [
        ('cos_t0.5', {}),
        ('cos_t0.1', dict(temperature=0.1)),
        ('dot_t1', dict(temperature=1.0, similarity='dot')),
    ],
)
def test_golden(golden, case, options):
    loss, cams = ContrastiveSeparationLoss(**options), golden['cam'].requires_grad_()
    nu, winner = golden['cam_aux_valid'].max(1)
    labels = single_threshold_label(nu, winner, golden['xi'])
    assert torch.equal(labels, golden['y']) and torch.equal(
        loss.sure_pixels(nu, golden['xi']), golden['omega']
    )
    value = loss(cams, labels, nu, golden['xi'])
    value.backward()
    torch.testing.assert_close(value.detach(), golden[case + '_loss'], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(cams.grad, golden[case + '_grad'], rtol=1e-10, atol=1e-10)


def maps(*values):
    """One image of four pixels with confidence and label by value: 0 sure background, 1, 2 sure
    classes, 9 uncertain.
    """
    values = torch.tensor(values).view(1, 2, 2)
    nu = torch.where(values == 9, 0.55, torch.where(values == 0, 0.0, 1.0))
    return values, nu


@pytest.mark.parametrize(
    'values', [(9, 9, 9, 9), (1, 1, 1, 1), (0, 0, 0, 0), (0, 1, 2, 9), (1, 9, 9, 9)]
)
def test_no_anchor(values):
    """Empty Omega, one class only, no pair of one class: 0, connected to the graph."""
    labels, nu = maps(*values)
    cams = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = ContrastiveSeparationLoss()(cams, labels, nu, 0.5)
    loss.backward()
    assert loss == 0 and cams.grad is not None and not cams.grad.any()


def test_pixels_outside_the_image_do_not_count():
    labels, nu = maps(0, 0, 1, 1)
    cams = torch.randn(1, 3, 2, 2, requires_grad=True)
    assert ContrastiveSeparationLoss()(cams, labels, nu, 0.5) > 0
    assert ContrastiveSeparationLoss()(cams, labels, nu, 0.5, torch.tensor([[0, 1, 0, 2]])) == 0


def test_images_without_anchors_do_not_dilute_the_mean():
    labels, nu = (torch.cat(parts) for parts in zip(maps(0, 0, 1, 1), maps(9, 9, 9, 9)))
    cams = torch.randn(2, 3, 2, 2)
    loss = ContrastiveSeparationLoss()
    torch.testing.assert_close(loss(cams, labels, nu, 0.5), loss(cams[:1], labels[:1], nu[:1], 0.5))


def test_drawn_anchors_are_some_of_all():
    torch.manual_seed(0)
    labels, nu = torch.randint(0, 3, (1, 8, 8)), torch.rand(1, 8, 8).round()
    cams = torch.randn(1, 4, 8, 8)
    whole = ContrastiveSeparationLoss()(cams, labels, nu, 0.5)
    assert ContrastiveSeparationLoss(num_anchors=64)(cams, labels, nu, 0.5) == pytest.approx(
        float(whole), rel=1e-5
    )
    drawn = torch.stack(
        [ContrastiveSeparationLoss(num_anchors=8)(cams, labels, nu, 0.5) for _ in range(200)]
    )
    assert drawn.std() > 0 and drawn.mean() == pytest.approx(float(whole), rel=0.03)


def test_zero_vectors_and_half_precision():
    labels, nu = maps(0, 0, 1, 1)
    cams = torch.zeros(1, 3, 2, 2, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast('cpu', torch.bfloat16):
        loss = ContrastiveSeparationLoss()(cams, labels, nu, 0.5)
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and cams.grad.isfinite().all()


@pytest.mark.parametrize(
    'options',
    [
        dict(similarity='l2'),
        dict(temperature=0.0),
        dict(epsilon=0.0),
        dict(num_anchors=0),
        dict(alpha=1.0),
    ],
)
def test_options(options):
    with pytest.raises(ValueError, match='must be'):
        ContrastiveSeparationLoss(**options)
