"""Mean field and its inputs."""

import pytest
import torch

from mmwsss.functional.crf import (
    background_alpha,
    bilateral_features,
    gaussian_features,
    label_probabilities,
    mean_field,
    pairwise_kernels,
    unary_energy,
)
from tests.golden_tensors import golden_tensors

PSA = dict(gauss=(3, 3), bilateral=(80, 13, 10))


def test_exact_kernels():
    data = golden_tensors('crf')
    kernels = pairwise_kernels(data['image'], **PSA, exact=True)
    marginals = mean_field(unary_energy(background_alpha(data['cam'], 12)), kernels, 10)
    torch.testing.assert_close(marginals, data['Qexact_alpha12'], rtol=1e-4, atol=1e-5)
    assert (marginals.argmax(0) == data['label_alpha12']).float().mean() >= 0.995


def test_labels_of_pydensecrf():
    data = golden_tensors('crf')
    kernels = pairwise_kernels(data['image'], **PSA)
    for alpha in (1, 4, 12, 32):
        labels = mean_field(unary_energy(background_alpha(data['cam'], alpha)), kernels, 10).argmax(
            0
        )
        assert torch.equal(labels, data[f'label_alpha{alpha}'].long())


def test_dense_matrices():
    """Against kernels written out as matrices, on a 4 x 5 image."""
    image = torch.randint(0, 256, (4, 5, 3))
    unary = torch.rand(3, 4, 5)
    logits, marginals = -unary.flatten(1).t().double(), None
    matrices = []
    for features, compat in (
        (gaussian_features((4, 5), 2.0), 3),
        (bilateral_features(image, 7.0, 40.0), 4),
    ):
        kernel = torch.exp(-0.5 * torch.cdist(features.double(), features.double()) ** 2)
        scale = kernel.sum(1).rsqrt()
        matrices.append(compat * kernel * scale[:, None] * scale)
    marginals = logits.softmax(1)
    for _ in range(5):
        marginals = (logits + sum(matrix @ marginals for matrix in matrices)).softmax(1)
    kernels = pairwise_kernels(image, (2.0, 3), (7.0, 40.0, 4), exact=True)
    torch.testing.assert_close(
        mean_field(unary, kernels, 5), marginals.t().reshape(3, 4, 5).float(), rtol=1e-4, atol=1e-5
    )


def test_no_steps_is_softmax():
    unary = torch.rand(3, 2, 4)
    torch.testing.assert_close(mean_field(unary, [], 0), (-unary).softmax(0))


def test_features():
    assert gaussian_features((2, 3), 2.0).tolist() == [
        [0, 0],
        [0.5, 0],
        [1, 0],
        [0, 0.5],
        [0.5, 0.5],
        [1, 0.5],
    ]
    image = torch.tensor([[[10, 20, 30]]], dtype=torch.uint8)
    assert bilateral_features(image, 5.0, 10.0).tolist() == [[0, 0, 1, 2, 3]]


def test_background_alpha():
    cams = torch.tensor([[[0.2, 1.0]], [[0.5, 0.0]]])
    stack = background_alpha(cams, 2)
    torch.testing.assert_close(stack[0], torch.tensor([[0.25, 0.0]]))
    assert torch.equal(stack[1:], cams)
    assert torch.equal(background_alpha(cams[:0], 12), torch.ones(1, 1, 2))


def test_label_probabilities():
    probs = label_probabilities(torch.tensor([[0, 2]], dtype=torch.uint8), 3, 0.7)
    torch.testing.assert_close(
        probs[:, 0].t(), torch.tensor([[0.7, 0.15, 0.15], [0.15, 0.15, 0.7]])
    )
    with pytest.raises(ValueError, match=r'0\.\.2, got 0\.\.255'):
        label_probabilities(torch.tensor([[0, 255]]), 3)
    with pytest.raises(ValueError, match='gt_prob'):
        label_probabilities(torch.tensor([[0]]), 3, 1.0)


def test_unary_energy_is_clipped():
    torch.testing.assert_close(
        unary_energy(torch.tensor([0.0, 1.0, 2.0, 0.5])), -torch.tensor([1e-5, 1.0, 1.0, 0.5]).log()
    )
