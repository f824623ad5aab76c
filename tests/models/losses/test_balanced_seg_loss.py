"""Segmentation loss of MCC: released values and gradients."""

import pytest
import torch
from torch.nn import functional as F

from mmwsss.models.losses import BalancedSegLoss
from tests.golden_tensors import golden_tensors


@pytest.fixture(scope='module')
def data():
    return golden_tensors('mcc', 'seg/')


def test_released_values_and_gradient(data):
    logits = data['pred'].clone().requires_grad_()
    loss = BalancedSegLoss(reduction='batch')(logits, data['label'])
    loss.backward()
    torch.testing.assert_close(loss, data['loss_batch'])
    torch.testing.assert_close(logits.grad, data['loss_grad_pred'], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(
        BalancedSegLoss()(data['pred'], data['label']), data['loss_per_image'].mean()
    )


def test_without_foreground(data):
    """NaN in the released code; its gradient is right."""
    logits = data['pred'].clone().requires_grad_()
    loss = BalancedSegLoss(reduction='batch')(logits, data['label_no_fg'])
    loss.backward()
    background = F.cross_entropy(
        data['pred'],
        data['label_no_fg'].long().masked_fill(data['label_no_fg'] != 0, 255),
        ignore_index=255,
    )
    assert data['loss_no_fg'].isnan()
    torch.testing.assert_close(loss, background / 2)
    torch.testing.assert_close(logits.grad, data['loss_no_fg_grad'], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize('num', [1, 2, 5])
def test_a_batch_is_the_mean_of_its_images(num):
    logits, labels = torch.randn(num, 4, 6, 5), torch.randint(0, 4, (num, 6, 5))
    labels[0, :3], labels[-1, 2:] = 255, 0
    alone = [BalancedSegLoss(0.3)(logits[i : i + 1], labels[i : i + 1]) for i in range(num)]
    torch.testing.assert_close(BalancedSegLoss(0.3)(logits, labels), torch.stack(alone).mean())
    torch.testing.assert_close(
        BalancedSegLoss(0.3, reduction='batch')(logits[:1], labels[:1]), alone[0]
    )


def test_logits_are_resized_and_everything_ignored_is_zero():
    logits, labels = torch.randn(2, 3, 4, 4, requires_grad=True), torch.randint(0, 3, (2, 8, 8))
    large = F.interpolate(logits, size=(8, 8), mode='bilinear', align_corners=False)
    torch.testing.assert_close(BalancedSegLoss()(logits, labels), BalancedSegLoss()(large, labels))
    loss = BalancedSegLoss()(logits, torch.full_like(labels, 255))
    loss.backward()
    assert loss == 0 and not logits.grad.any()


def test_half_precision():
    logits, labels = 60 * torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    with torch.autocast('cpu', torch.bfloat16):
        loss = BalancedSegLoss()(logits.bfloat16(), labels)
    assert loss.dtype == torch.float32 and loss.isfinite()


def test_wrong_options():
    with pytest.raises(ValueError, match="'image' or 'batch', got 'mean'"):
        BalancedSegLoss(reduction='mean')
    with pytest.raises(ValueError, match='between 0 and 1, got 2'):
        BalancedSegLoss(2)
