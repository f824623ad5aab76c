"""Derivatives with respect to attention against one backward pass through explicit attention."""

import torch

from mmwsss.models.cams.gradients import attention_gradients, class_scores, differentiable

from .networks import network, plain_pass


def test_all_layers_against_a_full_backward_pass():
    model, image, keys = network(), torch.randn(1, 3, 48, 48), [1, 3]
    with torch.no_grad():
        features = model.backbone(image, layer_inputs=None)
    found = {
        (layer, position): (weights, gradient)
        for layer, position, weights, gradient in attention_gradients(
            model, features, keys, class_rows=False
        )
    }
    assert len(found) == 2 * model.backbone.num_layers
    for position, key in enumerate(keys):
        model.zero_grad()
        logits, attention, _, _ = plain_pass(model, image)
        logits[0, key].backward()
        for layer, expected in enumerate(attention):
            weights, gradient = found[layer, position]
            rows = weights.shape[2]  # of the last layer, only those that scores read
            torch.testing.assert_close(weights, expected[:, :, :rows].detach())
            torch.testing.assert_close(gradient, expected.grad[:, :, :rows], rtol=1e-3, atol=1e-6)


def test_scores_of_the_last_layer():
    model, image = network(), torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        features = model.backbone(image, layer_inputs=1)
        tokens, _ = model.backbone.explain_layer(
            model.backbone.num_layers - 1, features.layer_inputs[0]
        )
        scores = class_scores(model, tokens)
        torch.testing.assert_close(scores, model.class_logits(features.class_tokens))


def test_differentiable_copies():
    """Under inference mode too, and never below float32."""
    with torch.inference_mode():
        x = torch.ones(3, dtype=torch.bfloat16)
        with differentiable(x) as copy:
            copy.requires_grad_()
            (gradient,) = torch.autograd.grad(copy.square().sum(), copy)
    assert copy.dtype == torch.float32 and torch.equal(gradient, 2 * torch.ones(3))
    with differentiable() as nothing:
        assert nothing is None and torch.is_grad_enabled()
