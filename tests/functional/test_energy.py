"""The dense energy itself."""

import pytest
import torch

from mmwsss.functional.crf import bilateral_features
from mmwsss.functional.energy import dense_energy, reliability_gate


def naive(scores, gate, images, sigma_rgb, sigma_xy):
    """Value and the gradient that the energy defines for itself."""
    value, gradient = 0.0, torch.zeros_like(scores)
    for b in range(len(scores)):
        features = bilateral_features(images[b].permute(1, 2, 0), sigma_xy, sigma_rgb)
        kernel = torch.exp(
            -0.5 * torch.cdist(features, features, compute_mode='donot_use_mm_for_euclid_dist') ** 2
        )
        for k in range(scores.shape[1]):
            message = (kernel @ scores[b, k].flatten()).view_as(gate[b])
            value -= (gate[b] * scores[b, k] * message).sum() / len(scores)
            gradient[b, k] = -2 / len(scores) * gate[b] * message
    return value, gradient


@pytest.mark.parametrize('block', [None, 13])
def test_value_and_gradient(block):
    scores, gate, images = (
        torch.rand(2, 3, 6, 7).requires_grad_(),
        torch.rand(2, 6, 7),
        torch.rand(2, 3, 6, 7) * 255,
    )
    energy = dense_energy(scores, gate, images, sigma_rgb=40, sigma_xy=5, block=block)
    energy.backward()
    value, gradient = naive(scores.detach(), gate, images, 40, 5)
    torch.testing.assert_close(energy.detach(), value)
    torch.testing.assert_close(scores.grad, gradient)


def test_uniform_gate_gives_the_true_derivative():
    scores, images = (
        torch.rand(1, 2, 4, 5, dtype=torch.float64).requires_grad_(),
        torch.rand(1, 3, 4, 5) * 255,
    )
    gate = torch.ones(1, 4, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda s: dense_energy(s, gate, images.double(), sigma_rgb=40, sigma_xy=5),
        (scores,),
        atol=1e-4,
    )


def test_gate():
    probs = torch.tensor([0.8, 0.8, 0.4, 0.4]).view(1, 1, 2, 2)
    probs = torch.cat([probs, 1 - probs], 1)
    inside = torch.tensor([[[True, True], [False, True]]])
    labels = torch.tensor([[[1, 255], [0, 0]]])
    torch.testing.assert_close(
        reliability_gate(probs, inside, labels), torch.tensor([[[0.2, 1.0], [0.0, 0.4]]])
    )


def test_unknown_kernel():
    with pytest.raises(ValueError, match="'exact' or 'lattice'"):
        dense_energy(
            torch.rand(1, 1, 2, 2),
            torch.rand(1, 2, 2),
            torch.rand(1, 3, 2, 2),
            sigma_rgb=1,
            sigma_xy=1,
            kernel='box',
        )
