"""RAW against float64 loops, and where its weights are 0."""

import pytest
import torch
from torch.nn import functional as F

from mmwsss.models.losses import ReliabilityWeightedLoss
from tests.golden_tensors import golden_tensors


@pytest.mark.parametrize('case', ['a0.8_b1_full', 'a0.8_b1_box', 'a0.8_b2_full', 'a0.9_b0.5_full'])
def test_golden(case):
    golden = golden_tensors('cosa_paper', 'raw_')
    alpha, beta = (float(part[1:]) for part in case.split('_')[:2])
    boxes, logits = (
        golden['box'] if case.endswith('box') else None,
        golden['logits'].requires_grad_(),
    )
    loss = ReliabilityWeightedLoss(alpha, beta)
    value = loss(logits, golden['y'], golden['nu'], golden['xi'], boxes)
    value.backward()
    torch.testing.assert_close(value.detach(), golden[case + '_loss'], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(logits.grad, golden[case + '_grad'], rtol=1e-10, atol=1e-10)
    valid = (
        golden[case + '_w'] > 0
        if boxes is not None
        else torch.ones_like(golden['nu'], dtype=torch.bool)
    )
    valid[0, 0, 0] |= boxes is None
    if boxes is None:
        torch.testing.assert_close(
            loss.weights(golden['nu'], golden['xi'], valid),
            golden[case + '_w'],
            rtol=1e-10,
            atol=1e-10,
        )


def test_pixels_at_the_threshold_alone_give_the_plain_mean():
    """All perplexities infinite; one box outside has no NaN either."""
    logits, labels, nu = (
        torch.randn(1, 3, 4, 4, requires_grad=True),
        torch.ones(1, 4, 4).long(),
        torch.full((1, 4, 4), 0.5),
    )
    loss = ReliabilityWeightedLoss()(logits, labels, nu, 0.5, torch.tensor([[0, 2, 0, 4]]))
    loss.backward()
    torch.testing.assert_close(loss, F.cross_entropy(logits[:, :, :2], labels[:, :2]))
    assert logits.grad.isfinite().all() and not logits.grad[:, :, 2:].any()


def test_nothing_to_learn_from():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = ReliabilityWeightedLoss()(logits, torch.full((1, 4, 4), 255), torch.rand(1, 4, 4), 0.5)
    loss.backward()
    assert loss == 0 and not logits.grad.any()


def test_balanced_form_is_the_unused_one_of_the_released_code():
    golden = golden_tensors('cosa_core')
    loss = ReliabilityWeightedLoss(balanced=True)
    loss.weights = lambda *unused: golden['sl_weights']
    value = loss(golden['sl_logits'], golden['c2m_a_mask'].long(), torch.rand(2, 32, 32), 0.5)
    torch.testing.assert_close(value, golden['sl_weightloss_a0.5'], rtol=1e-5, atol=0)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    logits = (100 * torch.randn(1, 3, 2, 2)).to(dtype).requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        loss = ReliabilityWeightedLoss()(
            logits, torch.randint(0, 3, (1, 8, 8)), torch.rand(1, 8, 8).to(dtype), 0.4
        )
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and logits.grad.isfinite().all()


def test_options():
    with pytest.raises(ValueError, match='alpha'):
        ReliabilityWeightedLoss(1.0)
