"""AReAM Eq. 18-19 against golden vectors and a form with the N x N labels."""

import pytest
import torch

from mmwsss.functional.attention import DeferredAttention
from mmwsss.models.losses import AttentionAffinityLoss
from tests.functional.test_reactivation import EXACT, layers_of
from tests.golden_tensors import golden_tensors


@pytest.fixture(scope='module')
def data():
    return golden_tensors('aream')


def textbook(logits, labels, layer_weights):
    """Literal Eq. 17-19: labels of all pairs, every sigmoid kept."""
    labels = labels.flatten(1)
    known = (labels != 255)[:, :, None] & (labels != 255)[:, None]
    same = labels[:, :, None] == labels[:, None]
    total = 0
    for image in range(len(labels)):
        alike, different = same[image] & known[image], ~same[image] & known[image]
        for layer, weight in zip(logits[image], layer_weights[image]):
            score = layer.sigmoid()
            loss = (1 - score)[alike].sum() / max(int(alike.sum()), 1) + score[
                different
            ].sum() / max(int(different.sum()), 1)
            total = total + weight * loss / len(labels)
    return total


@pytest.mark.parametrize('deferred', [False, True])
def test_golden_value_and_gradient(data, deferred):
    scores = data['logits'].clone().requires_grad_()
    logits = layers_of(scores) if deferred else scores.mean(2)[..., 3:, 3:]
    loss = AttentionAffinityLoss()(logits, data['labels/seg_token'], data['w_hat'])
    torch.testing.assert_close(loss, data['loss/total'], **EXACT)
    loss.backward()
    torch.testing.assert_close(scores.grad, data['loss/grad_logits'], **EXACT)


@pytest.mark.parametrize('case', ['all_ignored', 'no_negatives'])
def test_golden_edge_cases(data, case):
    scores = data['mean_logits'].clone().requires_grad_()
    loss = AttentionAffinityLoss()(scores, data[f'edge/{case}/seg_token'], data['w_hat'])
    torch.testing.assert_close(loss, data[f'edge/{case}/total'], **EXACT)
    loss.backward()
    assert scores.grad.isfinite().all() and bool(scores.grad.any()) == (case != 'all_ignored')


def test_golden_version_1(data):
    """Layers from layer_index on, their mean, pairs of the whole batch."""
    first = int(data['loss_v1/layer_index'])
    logits, labels = data['mean_logits'], data['labels/seg_token']
    loss = AttentionAffinityLoss('afa', 'mean')
    ones = torch.ones(2, 4, dtype=torch.float64)
    for layer, expected in enumerate(data['loss_v1/per_layer']):
        torch.testing.assert_close(
            loss(logits[:, layer : layer + 1], labels, ones[:, :1]), expected, **EXACT
        )
    torch.testing.assert_close(
        loss(logits[:, first:], labels, ones[:, first:]), data['loss_v1/uniform'], **EXACT
    )
    weights = data['loss_v1/ent'].expand(2, -1)[:, first:]
    torch.testing.assert_close(
        loss(logits[:, first:], labels, weights), data['loss_v1/entropy_weighted'], **EXACT
    )


@pytest.mark.parametrize('grid', [(4, 6), (1, 5), (1, 1)])
@pytest.mark.parametrize('names', [(0, 1, 2, 255), (0, 255), (3,), (255,), (0, 1, 80, 255)])
def test_equals_the_textbook_form(grid, names):
    logits = 3 * torch.randn(3, 2, grid[0] * grid[1], grid[0] * grid[1], dtype=torch.float64)
    labels = torch.tensor(names)[torch.randint(len(names), (3, *grid))]
    weights = torch.rand(3, 2, dtype=torch.float64)
    ours, reference = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss, expected = (
        AttentionAffinityLoss()(ours, labels, weights),
        textbook(reference, labels, weights),
    )
    torch.testing.assert_close(loss, torch.as_tensor(expected), **EXACT)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, reference.grad, **EXACT)


def test_balance_and_reduction_are_factors():
    logits, labels, weights = torch.randn(2, 4, 9, 9), torch.randint(3, (2, 3, 3)), torch.rand(2, 4)
    plain = AttentionAffinityLoss()(logits, labels, weights)
    torch.testing.assert_close(
        AttentionAffinityLoss(layer_reduction='mean', balance=0.5)(logits, labels, weights),
        plain / 8,
    )


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    """The sigmoid and the sums are float32."""
    labels, weights = torch.randint(3, (2, 3, 3)), torch.rand(2, 1)
    query, key = (torch.randn(2, 2, 11, 4).to(dtype).requires_grad_() for _ in range(2))
    loss = AttentionAffinityLoss()
    exact = loss([DeferredAttention(query.double(), key.double(), 2)], labels, weights)
    with torch.autocast('cpu', torch.bfloat16):
        value = loss([DeferredAttention(query, key, 2)], labels, weights)
    assert value.dtype == torch.float32 and value.item() == pytest.approx(exact.item(), rel=2e-3)
    value.backward()
    assert (
        query.grad.dtype == dtype
        and query.grad.isfinite().all()
        and query.grad[:, :, 2:].abs().max() > 0
    )


def test_no_logits_are_kept_between_the_passes():
    """Of deferred layers, nothing as large as one N x N map waits for the backward pass."""
    tokens, labels = 2 + 64, torch.randint(3, (1, 8, 8))
    layers = [
        DeferredAttention(*(torch.randn(1, 2, tokens, 4, requires_grad=True) for _ in range(2)), 2)
        for _ in range(3)
    ]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        loss = AttentionAffinityLoss()(layers, labels, torch.rand(1, 3))
    assert max(kept, default=0) < 64 * 64
    loss.backward()
    assert all(
        layer.query.grad.abs().sum() > 0 and layer.key.grad[:, :, :2].eq(0).all()
        for layer in layers
    )


def test_unknown_options():
    with pytest.raises(ValueError, match="style must be 'paper' or 'afa'"):
        AttentionAffinityLoss('v1')
    with pytest.raises(ValueError, match='layer_reduction'):
        AttentionAffinityLoss(layer_reduction='max')
