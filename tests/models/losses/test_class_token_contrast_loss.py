"""Contrast between class tokens against a loop and numbers computed by hand."""

import math

import pytest
import torch

from mmwsss.models.losses import ClassTokenContrastLoss
from tests.mctformer_golden import close, golden


def naive(class_tokens, tags, *, normalize, rows):
    """One layer, image and class at a time."""
    layers, batch, classes, _ = class_tokens.shape
    total = 0.0
    for image in range(batch):
        chosen = [c for c in range(classes) if rows == 'all' or tags[image, c]]
        for c in chosen:
            for layer in range(layers):
                tokens = class_tokens[layer, image]
                if normalize:
                    tokens = tokens / tokens.norm(dim=1, keepdim=True)
                scores = [(tokens[c] @ tokens[other]).exp() for other in range(classes)]
                total -= torch.log(scores[c] / sum(scores)) / layers / len(chosen) / batch
    return torch.as_tensor(total)


@pytest.mark.parametrize('normalize', [True, False])
@pytest.mark.parametrize('rows', ['present', 'all'])
@pytest.mark.parametrize('num_layers', [None, 1, 2, 12])
def test_naive_loop(normalize, rows, num_layers):
    class_tokens = torch.randn(3, 4, 5, 6, requires_grad=True)
    tags = torch.tensor([[1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]])
    loss = ClassTokenContrastLoss(normalize, rows, num_layers)(class_tokens, tags)
    expected = naive(
        class_tokens[-num_layers:] if num_layers else class_tokens,
        tags,
        normalize=normalize,
        rows=rows,
    )
    torch.testing.assert_close(loss, expected)
    gradients = [torch.autograd.grad(value, class_tokens)[0] for value in (loss, expected)]
    torch.testing.assert_close(*gradients)


def test_released_values():
    data = golden('mctformer_plus_model')
    class_tokens, tags = (
        torch.from_numpy(data['sq64/class_embeddings']),
        torch.from_numpy(data['train/targets']),
    )
    for run, num_layers in (('cct12_w1.0', None), ('cct1_w1.0', 1), ('cct2_w0.5', 2)):
        close(
            ClassTokenContrastLoss(num_layers=num_layers)(class_tokens, tags),
            data[f'train/{run}/loss_cct'],
        )


@pytest.mark.parametrize(
    'num_classes, orthogonal, simplex', [(20, 2.078, 2.032), (80, 3.403, 3.391)]
)
def test_values_of_known_tokens(num_classes, orthogonal, simplex):
    tags, loss = torch.ones(1, num_classes), ClassTokenContrastLoss()
    same = torch.ones(2, 1, num_classes, 3, requires_grad=True)
    value = loss(same, tags)
    value.backward()
    assert (
        value.item() == pytest.approx(math.log(num_classes), abs=1e-5)
        and same.grad.abs().max() < 1e-6
    )
    axes = torch.eye(num_classes)[None, None]
    assert loss(axes, tags).item() == pytest.approx(orthogonal, abs=5e-4)
    assert loss(axes - 1 / num_classes, tags).item() == pytest.approx(simplex, abs=5e-4)


def test_image_without_tags_counts_in_the_mean():
    class_tokens = torch.randn(2, 2, 4, 5)
    tags = torch.tensor([[0.0, 1, 1, 0], [0, 0, 0, 0]])
    loss = ClassTokenContrastLoss()
    torch.testing.assert_close(loss(class_tokens, tags), loss(class_tokens[:, :1], tags[:1]) / 2)
    assert loss(class_tokens, torch.zeros(2, 4)).item() == 0


def test_one_class_and_zero_tokens():
    assert ClassTokenContrastLoss()(
        torch.randn(2, 3, 1, 4), torch.ones(3, 1)
    ).item() == pytest.approx(0, abs=1e-6)
    zeros = torch.zeros(1, 1, 3, 4, requires_grad=True)
    value = ClassTokenContrastLoss()(zeros, torch.ones(1, 3))
    value.backward()
    assert value.item() == pytest.approx(math.log(3)) and zeros.grad.isfinite().all()


def test_float32_under_autocast():
    class_tokens, tags = torch.randn(3, 2, 6, 32), torch.ones(2, 6)
    with torch.autocast('cpu', torch.bfloat16):
        inside = ClassTokenContrastLoss()(class_tokens, tags)
    assert torch.equal(inside, ClassTokenContrastLoss()(class_tokens, tags))


@pytest.mark.parametrize('wrong', [dict(rows='some'), dict(num_layers=0)])
def test_wrong_options(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClassTokenContrastLoss(**wrong)
