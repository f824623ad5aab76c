"""Affinity loss of MCC: released values and gradients."""

import pytest
import torch

from mmwsss.models.losses import TokenAffinityLoss
from tests.golden_tensors import golden_tensors


def test_released_values_and_gradient():
    data = golden_tensors('mcc', 'affinity/')
    features = data['feat'].clone().requires_grad_()
    loss = TokenAffinityLoss(reduction='batch')(features, data['label'])
    loss.backward()
    torch.testing.assert_close(loss, data['loss_batch'])
    torch.testing.assert_close(features.grad, data['loss_grad_feat'], rtol=1e-4, atol=1e-7)
    alone = [
        TokenAffinityLoss()(data['feat'][i : i + 1], data['label'][i : i + 1]) for i in range(3)
    ]
    torch.testing.assert_close(torch.stack(alone), data['loss_per_image'])
    torch.testing.assert_close(
        TokenAffinityLoss()(data['feat'], data['label']), data['loss_per_image'].mean()
    )
    assert alone[2] == 0.5  # every token of the third image is ignored


def test_against_loops():
    features, labels = (
        torch.randn(1, 5, 3, 4),
        torch.tensor([0, 0, 2, 2, 255, 1, 255, 1, 2, 0, 0, 3]).view(1, 3, 4),
    )
    tokens, flat = features[0].flatten(1).T, labels.flatten().tolist()
    sums = {True: [0, 0.0], False: [0, 0.0]}
    for i in range(12):
        for j in range(12):
            if i != j and 255 not in (flat[i], flat[j]):
                sums[flat[i] == flat[j]][0] += 1
                sums[flat[i] == flat[j]][1] += float(
                    torch.cosine_similarity(tokens[i], tokens[j], dim=0).abs()
                )
    (positive, same), (negative, other) = sums[True], sums[False]
    expected = 0.5 * (1 - same / (positive + 1)) + 0.5 * other / (negative + 1)
    assert float(TokenAffinityLoss()(features, labels)) == pytest.approx(expected, rel=1e-5)


def test_no_pairs_and_zero_tokens():
    features = torch.randn(2, 4, 2, 2, requires_grad=True)
    loss = TokenAffinityLoss()(features, torch.full((2, 2, 2), 255))
    loss.backward()
    assert loss == 0.5 and not features.grad.any()
    features = torch.zeros(1, 4, 2, 2, requires_grad=True)
    TokenAffinityLoss()(features, torch.zeros(1, 2, 2, dtype=torch.long)).backward()
    assert features.grad.isfinite().all()


def test_wrong_arguments():
    with pytest.raises(ValueError, match="got 'sum'"):
        TokenAffinityLoss(reduction='sum')
    with pytest.raises(ValueError, match=r'grid of \(4, 4\) do not fit tokens on \(2, 2\)'):
        TokenAffinityLoss()(torch.randn(1, 3, 2, 2), torch.zeros(1, 4, 4))
