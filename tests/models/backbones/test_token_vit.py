"""ViT with class tokens: released features, key mask, memory, image sizes."""

import pytest
import torch
from mmpretrain.models.backbones import VisionTransformer

from mmwsss.checkpoints.vit import translate_official_mctformer
from mmwsss.functional.attention import AttentionRequest, attend
from mmwsss.models.backbones import ConvStem, TokenViT, token_vit
from tests.mctformer_golden import MODEL_ARCH, close, golden, state_of

MCC_ARCH = dict(embed_dims=24, num_layers=5, num_heads=3, feedforward_channels=96)
TINY = dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32)
EVERYTHING = {'all': AttentionRequest('all', reduce='stack')}


def network(arch=TINY, **options):
    model = TokenViT(arch, img_size=64, **options)
    model.init_weights()
    return model.eval()


def official():
    data = golden('mctformer_plus_model')
    state = translate_official_mctformer(state_of(data))
    model = network(MODEL_ARCH, num_class_tokens=5)
    model.load_state_dict(
        {
            key.removeprefix('backbone.'): value
            for key, value in state.items()
            if key.startswith('backbone.')
        }
    )
    return model, data


@pytest.mark.parametrize('size', ['sq64', 'h48w64', 'h70w90', 'sq80', 'h32w128', 'sq70'])
@torch.no_grad()
def test_released_features(size):
    model, data = official()
    image = torch.from_numpy(data[f'{size}/image'])
    requests = {
        'all': EVERYTHING['all'],
        'patches': AttentionRequest('patch_to_patch', reduce='stack'),
        'class': AttentionRequest('class_to_patch', layers=2, reduce='mean'),
    }
    features = model(image, attention=requests, class_embeddings=True)
    attention = torch.from_numpy(data[f'{size}/attn_headmean'])
    close(features.class_embeddings, data[f'{size}/class_embeddings'])
    close(features.class_tokens, data[f'{size}/class_embeddings'][-1])
    assert list(features.attention) == ['all', 'patches', 'class']
    close(features.attention['all'], attention)
    close(features.attention['patches'], attention[:, :, 5:, 5:])
    close(features.attention['class'], attention[1:, :, :5, 5:].mean(0))
    assert features.patch_map.shape == (len(image), 32, image.shape[2] // 16, image.shape[3] // 16)
    if size == 'sq64':
        close(features.patch_map.flatten(2).transpose(1, 2), data['sq64/patch_tokens_last'])
    plain = model(image)  # the fused kernel
    close(plain.class_tokens, data[f'{size}/class_embeddings'][-1])
    assert plain.class_embeddings is None and plain.aux_map is None and plain.attention == {}


def test_one_token_with_final_norm_is_that_of_mmpretrain():
    ours = network(final_norm=True, aux_layer=1)
    reference = VisionTransformer(TINY, 64, 16, out_type='raw', out_indices=[1, 2], final_norm=True)
    reference.eval()
    torch.nn.init.normal_(ours.ln1.weight)
    reference.load_state_dict(ours.state_dict())
    image = torch.rand(2, 3, 80, 48)
    aux, tokens = reference(image)
    features = ours(image)
    torch.testing.assert_close(features.class_tokens, tokens[:, :1])
    torch.testing.assert_close(features.patch_map.flatten(2).transpose(1, 2), tokens[:, 1:])
    torch.testing.assert_close(features.aux_map.flatten(2).transpose(1, 2), aux[:, 1:])


def mcc():
    data = golden('mcc_vit')
    model = TokenViT(
        MCC_ARCH, img_size=64, num_class_tokens=1, final_norm=True, aux_layer=-3
    ).eval()
    model.load_state_dict(state_of(data, 'state.'))
    return model, data, torch.from_numpy(data['x']), torch.from_numpy(data['policy'])[:, 1:].bool()


def test_released_key_mask():
    model, data, image, mask = mcc()
    for suffix, options in (
        ('plain', {}),
        ('masked', dict(key_mask=mask)),
        ('masked', dict(key_mask=mask, attention=EVERYTHING)),
    ):
        features = model(image, **options)
        close(features.class_tokens[:, 0], data[f'cls_{suffix}'])
        close(features.patch_map.flatten(2).transpose(1, 2), data[f'patch_{suffix}'])
        close(features.aux_map.flatten(2).transpose(1, 2), data[f'aux_{suffix}'])
    # no head of any layer reads a masked patch
    assert (features.attention['all'][:, :, :, 1:].amax((0, 2))[mask] == 0).all()


def test_gradients_through_the_released_key_mask():
    model, data, image, mask = mcc()
    model(image, key_mask=mask).class_tokens.square().sum().backward()
    names = {
        'cls_token': 'cls_token',
        'patch_embed.proj.bias': 'patch_embed.projection.bias',
        'norm.weight': 'ln1.weight',
        'blocks.0.attn.qkv.bias': 'layers.0.attn.qkv.bias',
    }
    for theirs, ours in names.items():
        close(model.get_parameter(ours).grad, data[f'grad.{theirs}'], rtol=1e-3, atol=1e-4)


def test_masked_patches_are_as_good_as_absent():
    """The class token sees the visible patches only: a change of the masked ones does not reach
    it.
    """
    model = network(num_class_tokens=3)
    image = torch.rand(2, 3, 64, 64)
    mask = torch.zeros(2, 16, dtype=torch.bool)
    mask[:, 5:] = True
    changed = image.clone()
    changed[:, :, 32:] = torch.rand(2, 3, 32, 64)
    torch.testing.assert_close(
        model(image, key_mask=mask).class_tokens, model(changed, key_mask=mask).class_tokens
    )
    everything = torch.ones(2, 16, dtype=torch.bool)
    blind = model(image, key_mask=everything).class_tokens
    torch.testing.assert_close(blind[0], blind[1])
    torch.testing.assert_close(
        model(image, key_mask=~everything).class_tokens, model(image).class_tokens
    )


@pytest.mark.parametrize('masked', [False, True])
def test_training_keeps_no_attention_matrix(masked):
    model = network(num_class_tokens=2, patch_size=4).train()  # 256 patches
    image = torch.rand(1, 3, 64, 64)
    mask = torch.rand(1, 256) < 0.5 if masked else None
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        features = model(image, key_mask=mask, class_embeddings=True)
        (features.class_embeddings.sum() + features.patch_map.sum()).backward()
    assert kept and max(kept) < 256 * 256
    kept.clear()
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        model(image, attention=EVERYTHING).attention['all'].sum().backward()
    assert max(kept) < 256 * 256  # nor with maps asked for
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        model.explain_layer(0, torch.rand(1, 258, 16))
    assert max(kept) >= 256 * 256  # the check above can fail


def test_attention_in_training_has_the_gradient_of_the_fused_kernel():
    model = network(num_class_tokens=2).train()
    image = torch.rand(2, 3, 64, 48)
    gradients = []
    for requests in ({}, EVERYTHING, {'class': AttentionRequest('class_to_patch')}):
        model.zero_grad()
        features = model(image, attention=requests)
        (features.class_tokens.square().sum() + features.patch_map.square().sum()).backward()
        gradients.append(
            {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
        )
    for other in gradients[1:]:
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(other[name], gradient, rtol=1e-4, atol=1e-4, msg=name)


def test_layers_that_no_request_reads_run_fused(monkeypatch):
    model = network(num_class_tokens=2)
    asked = []
    monkeypatch.setattr(
        token_vit,
        'attend',
        lambda *args, **options: asked.append(len(args[3])) or attend(*args, **options),
    )
    model(
        torch.rand(1, 3, 64, 64), attention={'last': AttentionRequest('patch_to_patch', layers=1)}
    )
    assert asked == [0, 0, 1]  # without a request `attend` calls the fused kernel alone


def test_stochastic_depth_and_dropout_work_on_both_paths():
    model = network(num_class_tokens=2, drop_path_rate=0.5, drop_rate=0.1)
    assert [layer.attn.out_drop.drop_prob for layer in model.layers] == [0, 0.25, 0.5]
    image = torch.rand(4, 3, 64, 64)
    torch.testing.assert_close(
        model(image).class_tokens, model(image, attention=EVERYTHING).class_tokens
    )
    model.train()
    outputs = []
    for requests in ({}, EVERYTHING):
        torch.manual_seed(1)
        outputs.append(model(image, attention=requests).class_tokens)
    torch.testing.assert_close(*outputs)
    assert not torch.allclose(outputs[0], model(image).class_tokens)


@pytest.mark.parametrize('size', [(16, 16), (17, 31), (48, 200), (75, 100)])
def test_any_size_from_one_patch_on(size):
    features = network(num_class_tokens=2)(torch.rand(1, 3, *size))
    assert features.patch_map.shape[-2:] == (size[0] // 16, size[1] // 16)


@pytest.mark.parametrize('size', [(15, 64), (64, 15), (1, 1)])
def test_smaller_than_a_patch(size):
    with pytest.raises(ValueError, match=f'{size[1]}x{size[0]}.*smaller than a patch of 16x16'):
        network()(torch.rand(1, 3, *size))


def test_padding_to_whole_patches():
    model = network(num_class_tokens=2, pad_to_patch=True)
    image = torch.rand(1, 3, 50, 70)
    features = model(image)
    assert features.patch_map.shape[-2:] == (4, 5)
    padded = torch.nn.functional.pad(image, (0, 10, 0, 14))
    torch.testing.assert_close(features.patch_map, model(padded).patch_map)
    ignored = network(num_class_tokens=2)
    ignored.load_state_dict(model.state_dict())
    torch.testing.assert_close(ignored(image).patch_map, ignored(image[..., :48, :64]).patch_map)
    assert model(torch.rand(1, 3, 5, 9)).patch_map.shape[-2:] == (1, 1)


def test_position_rule_of_v1_and_v2():
    """Released V1 and V2: a square image of the trained grid keeps the embedding, any other samples
    it with the 0.1 offset.
    """
    exact, released = (
        network(num_class_tokens=2),
        network(num_class_tokens=2, pos_interp_offset=0.1),
    )
    released.load_state_dict(exact.state_dict())
    for size, same in (
        ((64, 64), True),
        ((70, 70), True),
        ((64, 78), False),
        ((80, 80), False),
        ((32, 128), False),
    ):
        image = torch.rand(1, 3, *size)
        assert (
            torch.allclose(exact(image).patch_map, released(image).patch_map, atol=1e-6) == same
        ), size


def test_frozen_position_embedding():
    model = network(frozen_pos_embed=True)
    assert not model.pos_embed.requires_grad and model.cls_token.requires_grad


def test_no_parameter_is_left_without_a_gradient():
    model = network(num_class_tokens=2).train()
    features = model(torch.rand(1, 3, 64, 64))
    (features.class_tokens.sum() + features.patch_map.square().sum()).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    assert not any(name.startswith(('ln1', 'norm')) for name, _ in model.named_parameters())


def test_random_start():
    model = network(dict(TINY, embed_dims=64), num_class_tokens=3)
    for name, parameter in model.named_parameters():
        if name in ('cls_token', 'pos_embed') or (parameter.dim() == 2):
            assert 0.01 < parameter.std() < 0.03 and parameter.abs().max() <= 2.001, name
        elif '.ln' in name:
            assert (parameter == (1 if name.endswith('weight') else 0)).all(), name
        elif name.endswith('bias') and 'patch_embed' not in name:
            assert (parameter == 0).all(), name
    bound = (3 * 16 * 16) ** -0.5  # PyTorch's default of a convolution
    assert 0.9 * bound < model.patch_embed.projection.weight.abs().max() <= bound


def test_number_of_parameters_of_the_paper():
    with torch.device('meta'):
        for num_classes, total in ((20, 21974420), (80, 22304336 - 76416)):
            backbone = TokenViT('deit-small', num_class_tokens=num_classes, img_size=448)
            head = num_classes * (384 * 9 + 1)
            assert sum(parameter.numel() for parameter in backbone.parameters()) + head == total


@pytest.mark.parametrize('wrong', [dict(pos_init='linear'), dict(token_init='zero')])
def test_wrong_options(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TokenViT(TINY, **wrong)


def test_convolutional_stem():
    model = network(num_class_tokens=2, stem=dict(type='mmwsss.ConvStem', channels=(4, 8, 12)))
    assert isinstance(model.patch_embed, ConvStem)
    assert (
        model.patch_size == 8
        and tuple(model.patch_resolution) == (8, 8)
        and model.pos_embed.shape == (1, 66, 16)
    )
    for size, grid in (
        ((64, 64), (8, 8)),
        ((40, 96), (5, 12)),
        ((41, 65), (5, 8)),
        ((8, 8), (1, 1)),
    ):
        assert model(torch.rand(1, 3, *size)).patch_map.shape[-2:] == grid
    tokens, grid = model.patch_embed(torch.zeros(1, 3, 16, 24))
    assert tokens.shape == (1, 6, 16) and grid == (2, 3)
    image = torch.zeros(1, 3, 16, 24)
    image[..., 8:, 16:] = 1  # row-major: only the cells around the last one change
    changed = (model.patch_embed(image)[0] - tokens).abs().sum(-1)[0]
    assert changed[5] > 0 and changed[0] == 0


def test_stem_cells_lie_in_the_middle_of_their_pixels():
    """Mirrored kernels on a mirrored image give the mirrored map; a stem that shifts its cells
    would not.
    """
    stem = ConvStem((4, 8), 6, input_size=(32, 48)).eval()
    mirrored = ConvStem((4, 8), 6, input_size=(32, 48)).eval()
    mirrored.load_state_dict(
        {
            key: value.flip(-1) if value.dim() == 4 else value
            for key, value in stem.state_dict().items()
        }
    )
    image = torch.rand(1, 3, 32, 48)
    tokens, grid = stem(image)
    expected = tokens.unflatten(1, grid).flip(2)
    torch.testing.assert_close(mirrored(image.flip(-1))[0].unflatten(1, grid), expected)


def test_stem_pads_to_whole_cells():
    model = network(
        num_class_tokens=2,
        stem=dict(type='mmwsss.ConvStem', channels=(4, 8, 12)),
        pad_to_patch=True,
    )
    assert model(torch.rand(1, 3, 41, 65)).patch_map.shape[-2:] == (6, 9)


# One layer with its attention explicit ------------------------------------------------------------


@pytest.mark.parametrize('final_norm', [False, True])
@pytest.mark.parametrize('num_class_tokens', [1, 3])
def test_explained_layers_are_those_of_the_network(num_class_tokens, final_norm):
    model = network(num_class_tokens=num_class_tokens, final_norm=final_norm)
    images = torch.randn(2, 3, 64, 80)
    every = {
        'list': AttentionRequest('all', heads='all', reduce='list'),
        'stack': AttentionRequest('all', heads='all', reduce='stack'),
    }
    with torch.no_grad():
        features = model(images, attention=every, layer_inputs=None)
    layers = features.attention['list']
    assert len(features.layer_inputs) == len(layers) == 3
    torch.testing.assert_close(torch.stack(layers), features.attention['stack'])
    for index, x in enumerate(features.layer_inputs):
        after, weights = model.explain_layer(index, x)
        torch.testing.assert_close(weights, layers[index])
        rows, row_weights = model.explain_layer(
            index, x, class_rows=True, normed=model.first_norm(index, x)
        )
        torch.testing.assert_close(rows, after[:, :num_class_tokens])
        torch.testing.assert_close(row_weights, weights[:, :, :num_class_tokens])
        if index < 2:
            torch.testing.assert_close(after, features.layer_inputs[index + 1])
    after = model.ln1(after) if final_norm else after
    torch.testing.assert_close(after[:, :num_class_tokens], features.class_tokens)
    assert model(images, layer_inputs=2).layer_inputs[0].shape == features.layer_inputs[1].shape
    assert model(images).layer_inputs == ()
