"""Images of which a part is hidden: tokens left out against masked keys, and released features."""

import pytest
import torch

from mmwsss.models.backbones import TokenViT
from tests.golden_tensors import golden_tensors

TINY = dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32)


def network(**options):
    model = TokenViT(TINY, img_size=64, **options)
    model.init_weights()
    return model.eval()


def test_released_features():
    data = golden_tensors('mcc_vit')
    model = TokenViT(
        dict(embed_dims=24, num_layers=5, num_heads=3, feedforward_channels=96),
        img_size=64,
        final_norm=True,
        aux_layer=-3,
        frozen_pos_embed=True,
    )
    model.load_state_dict(
        {
            key.removeprefix('state.'): value
            for key, value in data.items()
            if key.startswith('state.')
        }
    )
    hidden = data['policy'][:, 1:].bool()
    tokens = model.encode_visible(data['x'], hidden[:, None])
    torch.testing.assert_close(tokens[:, 0, 0], data['cls_masked'], rtol=0, atol=1e-5)
    tokens.square().sum().backward()
    for name, gradient in (
        ('cls_token', model.cls_token.grad),
        ('patch_embed.proj.bias', model.patch_embed.projection.bias.grad),
        ('blocks.0.attn.qkv.bias', model.layers[0].attn.qkv.bias.grad),
        ('norm.weight', model.ln1.weight.grad),
    ):
        torch.testing.assert_close(gradient, data[f'grad.{name}'], rtol=1e-4, atol=2e-5)
    assert model.pos_embed.grad is None


@pytest.mark.parametrize('num_masks', [1, 3, 9])
@pytest.mark.parametrize('options', [dict(final_norm=True), dict(num_class_tokens=3)])
@torch.no_grad()
def test_leaving_tokens_out_is_masking_keys(num_masks, options):
    model, x = network(**options), torch.randn(3, 3, 48, 80)
    hidden = torch.rand(3, num_masks, 3, 5) < torch.rand(3, num_masks, 1, 1)
    hidden[0, 0], hidden[1, -1] = True, False  # everything, nothing
    tokens = model.encode_visible(x, hidden)
    assert tokens.shape == (3, num_masks, model.num_class_tokens, 16)
    for index in range(num_masks):
        expected = model(x, key_mask=hidden[:, index].flatten(1)).class_tokens
        torch.testing.assert_close(tokens[:, index], expected, rtol=0, atol=2e-6)


@torch.no_grad()
def test_everything_hidden_is_one_constant():
    model = network(final_norm=True)
    tokens = model.encode_visible(torch.randn(2, 3, 64, 64), torch.ones(2, 2, 16, dtype=torch.bool))
    assert tokens.isfinite().all() and float((tokens - tokens[0, 0]).abs().max()) < 1e-6


def test_masks_of_another_grid():
    with pytest.raises(ValueError, match='masks of 9 patches do not fit a grid of 4x4'):
        network().encode_visible(
            torch.randn(1, 3, 64, 64), torch.zeros(1, 2, 3, 3, dtype=torch.bool)
        )
