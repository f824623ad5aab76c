"""Cross entropy over the labelled pixels."""

import pytest
import torch
from mmseg.models.losses import CrossEntropyLoss

from mmwsss.models.losses import PixelCrossEntropyLoss


@pytest.mark.parametrize('weighted', [False, True])
def test_is_the_loss_of_mmsegmentation(weighted: bool) -> None:
    logits, labels = torch.randn(2, 5, 6, 7), torch.randint(0, 5, (2, 6, 7))
    labels[0, :3] = 255
    weight = torch.rand(2, 6, 7) if weighted else None
    ours = PixelCrossEntropyLoss(0.4)(logits, labels, weight=weight, ignore_index=255)
    theirs = CrossEntropyLoss(loss_weight=0.4, avg_non_ignore=True)(
        logits, labels, weight=weight, ignore_index=255
    )
    torch.testing.assert_close(ours, theirs)


def test_without_labels_it_is_zero() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = PixelCrossEntropyLoss()(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss == 0 and not logits.grad.any()


def test_background_weighs_what_it_is_told() -> None:
    logits, labels = torch.randn(2, 5, 6, 7), torch.randint(0, 5, (2, 6, 7))
    labels[0, :3] = 255
    ours = PixelCrossEntropyLoss(background_weight=0.2)(logits, labels)
    weights = torch.tensor([0.2, 1.0, 1.0, 1.0, 1.0])
    theirs = CrossEntropyLoss(class_weight=weights.tolist(), avg_non_ignore=False, reduction='sum')(
        logits, labels, ignore_index=255
    )
    torch.testing.assert_close(ours, theirs / (labels != 255).sum())
