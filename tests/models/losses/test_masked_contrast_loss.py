"""Contrast loss of MCC: released values and gradients, and Eq. 10."""

import math

import pytest
import torch

from mmwsss.models.losses import MaskedContrastLoss
from tests.golden_tensors import golden_tensors


@pytest.fixture(scope='module')
def data():
    return golden_tensors('mcc', 'contrast/')


def views(outputs, num_images):
    """Rows view by view -> (V,B,D)."""
    return outputs.view(-1, num_images, outputs.shape[1])


@pytest.mark.parametrize('flags', ['mixed', 'allpos', 'allneg'])
def test_released_values_and_gradients(data, flags):
    student, teacher = (
        views(data['student'], 2).requires_grad_(),
        views(data['teacher'], 2).clone().requires_grad_(),
    )
    loss = MaskedContrastLoss(0.5, for_else_term=True)(student, teacher, data[f'flags_{flags}'])
    gradient, none = torch.autograd.grad(loss, (student, teacher), allow_unused=True)
    torch.testing.assert_close(loss, data[f'loss_{flags}'], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(
        gradient.flatten(0, 1), data[f'grad_student_{flags}'], rtol=1e-4, atol=1e-6
    )
    assert none is None
    paper = MaskedContrastLoss(0.5)(student, teacher, data[f'flags_{flags}'])
    torch.testing.assert_close(paper, data[f'eq10_{flags}'], rtol=1e-5, atol=1e-7)


def test_one_image(data):
    student, teacher = (
        views(data['student'][:10].clone(), 1).requires_grad_(),
        views(data['teacher'][:2], 1),
    )
    loss = MaskedContrastLoss(0.5, for_else_term=True)(student, teacher, data['flags_mixed'][:1])
    loss.backward()
    torch.testing.assert_close(loss, data['loss_b1'])
    torch.testing.assert_close(student.grad[:, 0], data['grad_student_b1'], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('term', [False, True])
def test_against_the_formula(term):
    student, teacher, positive = torch.randn(6, 3, 4), torch.randn(2, 3, 4), torch.rand(3, 6) > 0.5
    positive[:, 0] = True
    expected = 0.0
    for image in range(3):
        total, chosen = 0.0, positive[image].nonzero().flatten().tolist()
        for anchor in teacher[:, image]:
            scores = [math.exp(float(anchor @ view[image]) / 0.7) for view in student]
            rest = sum(score for index, score in enumerate(scores) if index not in chosen) + 1e-4
            total += sum(
                math.log((scores[index] + rest) / scores[index]) for index in chosen
            ) + term * math.log(1 + rest)
        expected += total / 2 / (len(chosen) + term * 1e-4) / 3
    assert float(MaskedContrastLoss(0.7, term)(student, teacher, positive)) == pytest.approx(
        expected, rel=1e-5
    )


def test_large_products_do_not_overflow():
    """exp(200) is not a float32 number."""
    student = torch.tensor([[[10.0]], [[-10.0]], [[10.0]]], requires_grad=True)
    loss = MaskedContrastLoss(0.5, True)(
        student, torch.full((2, 1, 1), 10.0), torch.tensor([[1, 1, 0]])
    )
    loss.backward()
    assert loss.isfinite() and student.grad.isfinite().all()


def test_no_positives():
    student = torch.randn(4, 2, 3, requires_grad=True)
    flags = torch.zeros(2, 4)
    loss = MaskedContrastLoss(for_else_term=True)(student, torch.randn(2, 2, 3), flags)
    loss.backward()
    assert loss == 0 and not student.grad.any()
    flags[0, 1] = 1
    assert MaskedContrastLoss()(student, torch.randn(2, 2, 3), flags) > 0


def test_half_precision():
    with torch.autocast('cpu', torch.bfloat16):
        loss = MaskedContrastLoss()(
            torch.randn(4, 2, 3).bfloat16(), torch.randn(2, 2, 3).bfloat16(), torch.ones(2, 4)
        )
    assert loss.dtype == torch.float32 and loss.isfinite()


def test_wrong_arguments():
    with pytest.raises(ValueError, match='temperature must be positive, got 0'):
        MaskedContrastLoss(0)
    with pytest.raises(ValueError, match=r'positive \(4, 2\) \(B,V\)'):
        MaskedContrastLoss()(torch.randn(4, 2, 3), torch.randn(2, 2, 3), torch.ones(4, 2))
