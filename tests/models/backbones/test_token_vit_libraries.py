"""TokenViT against the networks of timm, transformers and open_clip with random weights: DINOv2
(registers, layer scale, SwiGLU), CLIP (norm before the layers, QuickGELU), MAE and ViT.
"""

import pytest
import torch

from mmwsss.apis import load_weights
from mmwsss.functional.attention import AttentionRequest
from mmwsss.models.backbones import TokenViT

WIDTH, DEPTH, HEADS, INNER = 32, 3, 2, 128
ARCH = dict(embed_dims=WIDTH, num_layers=DEPTH, num_heads=HEADS, feedforward_channels=INNER)
DINO = dict(layer_scale_init_value=1e-5)
REGISTERS = dict(DINO, num_registers=4, pos_interp_antialias=True)
GATED = dict(layer_cfgs=dict(ffn_type='swiglu_fused'))
CLIP = dict(
    pre_norm=True,
    norm_cfg=dict(type='LN', eps=1e-5),
    layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU')),
)
SIZES = [(56, 56), (84, 42)]


def randomise(model):
    """Weights that let every part of a network be seen in its output."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model.eval()


def image(size, patch=14):
    shape = [side // 14 * patch for side in size]
    return torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(1))


def of_timm(name, patch=14, width=WIDTH, **options):
    timm = pytest.importorskip('timm')
    return randomise(
        timm.create_model(
            name,
            img_size=4 * patch,
            depth=DEPTH,
            embed_dim=width,
            num_heads=HEADS,
            num_classes=0,
            dynamic_img_size=True,
            **options,
        )
    )


def timm_layers(model, x):
    """(L,B,1+N,D): tokens after every layer, registers left out."""
    outputs = model.forward_intermediates(
        x, norm=False, output_fmt='NLC', return_prefix_tokens=True, intermediates_only=True
    )
    return torch.stack([torch.cat([prefix[:, :1], patches], 1) for patches, prefix in outputs])


def of_transformers(kind, config, patch=14, **options):
    transformers = pytest.importorskip('transformers')
    config = getattr(transformers, config)(
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        image_size=4 * patch,
        patch_size=patch,
        attn_implementation='eager',
        **options,
    )
    return randomise(getattr(transformers, kind)(config))


def transformers_layers(model, x, registers=0, **options):
    output = model(x, output_hidden_states=True, **options)
    return torch.stack(
        [
            torch.cat([tokens[:, :1], tokens[:, 1 + registers :]], 1)
            for tokens in output.hidden_states[1:]
        ]
    )


def ours(state, patch=14, arch=ARCH, **options):
    model = TokenViT(arch, img_size=4 * patch, patch_size=patch, final_norm=True, **options).eval()
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not missing
    return model


def our_layers(model, x):
    """(L,B,1+N,D), from the inputs of the layers and the output of the last."""
    features = model(x, layer_inputs=None)
    inputs, grid = list(features.layer_inputs), features.patch_map.shape[-2:]
    inputs = [*inputs[1:], model.explain_layer(model.num_layers - 1, inputs[-1], grid=grid)[0]]
    return torch.stack(
        [torch.cat([tokens[:, :1], tokens[:, model.patch_rows]], 1) for tokens in inputs]
    )


def assert_equal(own, theirs):
    assert own.shape == theirs.shape and theirs.std() > 0.1
    torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize(
    'name, arch, options',
    [
        ('vit_small_patch14_dinov2', ARCH, dict(DINO, pos_interp_antialias=True)),
        ('vit_small_patch14_reg4_dinov2', ARCH, REGISTERS),
        (
            'vit_giant_patch14_reg4_dinov2',
            dict(ARCH, embed_dims=48, feedforward_channels=48 * 4),
            dict(REGISTERS, **GATED),
        ),
    ],
)
@torch.no_grad()
def test_dinov2_of_timm(name, arch, options, size):
    theirs = of_timm(name, width=arch['embed_dims'])
    model = ours(theirs.state_dict(), arch=arch, **options)
    assert_equal(our_layers(model, image(size)), timm_layers(theirs, image(size)))
    features, whole = model(image(size)), theirs.forward_features(image(size))
    assert_equal(features.class_tokens[:, 0], whole[:, 0])
    assert_equal(
        features.patch_map.flatten(2).transpose(1, 2), whole[:, theirs.num_prefix_tokens :]
    )


def dinov2(registers=0, **options):
    kind = 'Dinov2WithRegisters' if registers else 'Dinov2'
    return of_transformers(f'{kind}Model', f'{kind}Config', mlp_ratio=4, **options)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('registers', [0, 4])
@pytest.mark.parametrize('gated', [False, True])
@torch.no_grad()
def test_dinov2_of_transformers(registers, gated, size):
    theirs = dinov2(registers, use_swiglu_ffn=gated)
    options = dict(REGISTERS if registers else DINO, **(GATED if gated else {}))
    model = ours(theirs.state_dict(), **options)
    x = image(size)
    assert_equal(our_layers(model, x), transformers_layers(theirs, x, registers))
    own, output = model(x), theirs(x).last_hidden_state
    assert_equal(own.class_tokens[:, 0], output[:, 0])
    assert_equal(own.patch_map.flatten(2).transpose(1, 2), output[:, 1 + registers :])


def as_on_the_hub(state):
    """The names of the files on the hub, which older releases of transformers had."""
    for old, new in (
        ('attention.attention.query', 'attention.q_proj'),
        ('attention.attention.key', 'attention.k_proj'),
        ('attention.attention.value', 'attention.v_proj'),
        ('attention.output.dense', 'attention.o_proj'),
    ):
        state = {name.replace(new, old): value for name, value in state.items()}
    return state


def as_facebookresearch(state):
    """The names of facebookresearch's DINOv2, which are those of timm with other registers."""
    state = dict(state)
    state['register_tokens'] = state.pop('reg_token')
    state['pos_embed'] = torch.cat([torch.zeros(1, 1, WIDTH), state['pos_embed']], 1)
    return dict(state, mask_token=torch.zeros(1, WIDTH))


@torch.no_grad()
def test_files_of_dinov2():
    theirs, x = of_timm('vit_small_patch14_reg4_dinov2'), image(SIZES[1])
    expected = theirs.forward_features(x)[:, 0]
    for state in (
        as_facebookresearch(theirs.state_dict()),
        {'teacher': {f'backbone.{k}': v for k, v in theirs.state_dict().items()}},
    ):
        assert_equal(ours(state, **REGISTERS)(x).class_tokens[:, 0], expected)
    theirs = dinov2(4)
    expected = theirs(x).last_hidden_state[:, 0]
    for state in (
        as_on_the_hub(theirs.state_dict()),
        {f'dinov2_with_registers.{k}': v for k, v in theirs.state_dict().items()},
    ):
        assert_equal(ours(state, **REGISTERS)(x).class_tokens[:, 0], expected)


def registered(num_class_tokens=1):
    torch.manual_seed(0)
    return randomise(
        TokenViT(
            ARCH,
            img_size=56,
            patch_size=14,
            num_class_tokens=num_class_tokens,
            final_norm=True,
            **REGISTERS,
        )
    )


def test_attention_is_that_of_transformers_without_registers():
    theirs = dinov2(4)
    model, x = ours(theirs.state_dict(), **REGISTERS), image(SIZES[1])
    keep = [0, *range(5, 1 + 4 + 18)]
    expected = torch.stack(
        [
            attention[:, :, keep][..., keep]
            for attention in theirs(x, output_attentions=True).attentions
        ]
    )
    requests = {
        f'{part} {heads}': AttentionRequest(part, reduce='stack', heads=heads)
        for part in ('all', 'class_to_patch', 'patch_to_patch')
        for heads in ('all', 'mean')
    }
    deferred = AttentionRequest('patch_to_patch', kind='deferred')
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            for chosen in (requests, {k: v for k, v in requests.items() if 'class' in k}):
                maps = model(x, attention=chosen).attention
                for name, value in maps.items():
                    part, heads = name.split()
                    wanted = expected if heads == 'all' else expected.mean(2)
                    rows = slice(0, 1) if part == 'class_to_patch' else slice(1, None)
                    if part != 'all':
                        wanted = wanted[..., rows, 1:]
                    torch.testing.assert_close(value, wanted, rtol=1e-5, atol=1e-5)
    values = torch.rand(2, 3, 18)
    for layer, wanted in zip(
        model(x, attention=dict(d=deferred)).attention['d'], expected.mean(2), strict=True
    ):
        torch.testing.assert_close(layer.affinity(), wanted[:, 1:, 1:], rtol=1e-5, atol=1e-5)
        for mode in ('softmax_all', 'softmax_patch', 'softmax_logit'):
            torch.testing.assert_close(
                layer.propagate(values, mode),
                (layer.affinity(mode) @ values.transpose(1, 2)).transpose(1, 2),
                rtol=1e-5,
                atol=1e-5,
            )
        torch.testing.assert_close(
            layer.logits().softmax(-1), layer.affinity('softmax_logit'), rtol=1e-5, atol=1e-5
        )


def test_gradients_through_maps_beside_registers():
    """The block-wise backward pass gives the gradients of the explicit attention."""
    model, x = registered(), image(SIZES[0])
    inputs = model(x, layer_inputs=1).layer_inputs[0].detach()
    weight = model.layers[-1].attn.qkv.weight
    _, explicit = model.explain_layer(DEPTH - 1, inputs)
    patches = model.patch_rows
    wanted = torch.autograd.grad(explicit.mean(1)[:, patches, patches].square().sum(), weight)[0]
    request = {'a': AttentionRequest('patch_to_patch', layers=1)}
    own = model(x, attention=request).attention['a']
    found = torch.autograd.grad(own.square().sum(), weight)[0]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_hidden_patches_beside_registers():
    model, x = registered(3), image(SIZES[0])
    hidden = torch.rand(2, 5, 16, generator=torch.Generator().manual_seed(2)) < 0.6
    hidden[0, 0], hidden[0, 1] = True, False
    expected = torch.stack(
        [model(x, key_mask=hidden[:, index]).class_tokens for index in range(5)], 1
    )
    torch.testing.assert_close(model.encode_visible(x, hidden), expected, rtol=1e-5, atol=1e-5)
    changed = x.clone()
    changed[:, :, :14] = 0  # first row of patches
    mask = torch.arange(16).expand(2, -1) < 4
    before, after = (model(i, key_mask=mask).class_tokens for i in (x, changed))
    torch.testing.assert_close(before, after)
    with torch.no_grad():
        model.register_tokens.add_(torch.randn(WIDTH))
    assert not torch.allclose(model(x, key_mask=mask).class_tokens, before)


def test_class_tokens_of_a_dinov2():
    """One class token becomes several; each sees what the one saw, as far as they are equal."""
    theirs = of_timm('vit_small_patch14_reg4_dinov2')
    model = ours(theirs.state_dict(), num_class_tokens=5, **REGISTERS)
    assert torch.equal(model.cls_token, theirs.cls_token.expand(1, 5, -1))
    assert torch.equal(model.register_tokens, theirs.reg_token)
    assert (model.pos_embed[:, :5] == 0).all()
    tokens = model(image(SIZES[0])).class_tokens
    torch.testing.assert_close(tokens, tokens[:, :1].expand(-1, 5, -1))


@pytest.mark.parametrize('size', SIZES)
@torch.no_grad()
def test_clip_of_transformers(size):
    theirs = of_transformers(
        'CLIPVisionModel', 'CLIPVisionConfig', patch=16, intermediate_size=INNER
    )
    x = image(size, 16)
    expected = transformers_layers(theirs, x, interpolate_pos_encoding=True)
    bare = theirs.state_dict()
    tower = {f'vision_model.{k}': v for k, v in bare.items()}
    both = dict(tower, **{'text_model.x': torch.ones(3), 'visual_projection.weight': torch.ones(3)})
    for state in (bare, tower, both):
        model = ours(state, 16, **CLIP)
        assert_equal(our_layers(model, x), expected)
    assert_equal(
        model(x).class_tokens[:, 0], theirs(x, interpolate_pos_encoding=True).pooler_output
    )


@torch.no_grad()
def test_clip_of_open_clip():
    transformer = pytest.importorskip('open_clip.transformer')
    theirs = randomise(
        transformer.VisionTransformer(
            image_size=64,
            patch_size=16,
            width=WIDTH,
            layers=DEPTH,
            heads=HEADS,
            mlp_ratio=4,
            output_dim=16,
            act_layer=transformer.QuickGELU,
        )
    )
    x, layers = image((56, 56), 16), []
    for block in theirs.transformer.resblocks:
        block.register_forward_hook(lambda module, args, output: layers.append(output))
    projected = theirs(x)
    bare = theirs.state_dict()
    both = {f'visual.{k}': v for k, v in bare.items()} | {
        'token_embedding.weight': torch.ones(9, 4),
        'positional_embedding': torch.ones(7, 4),
        'transformer.resblocks.0.ln_1.weight': torch.ones(4),
    }
    for state in (bare, both):
        model = ours(state, 16, **CLIP)
        assert_equal(our_layers(model, x), torch.stack(layers))
        assert_equal(model(x).class_tokens[:, 0] @ theirs.proj, projected)


@pytest.mark.parametrize('size', SIZES)
@torch.no_grad()
def test_clip_of_timm(size):
    theirs = of_timm('vit_base_patch16_clip_quickgelu_224', 16)
    model = ours(theirs.state_dict(), 16, pos_interp_antialias=True, **CLIP)
    assert_equal(our_layers(model, image(size, 16)), timm_layers(theirs, image(size, 16)))


@pytest.mark.parametrize('size', SIZES)
@torch.no_grad()
def test_mae_and_vit(size):
    theirs, x = of_timm('vit_base_patch16_224.mae', 16), image(size, 16)
    model = ours(theirs.state_dict(), 16, pos_interp_antialias=True)
    assert_equal(our_layers(model, x), timm_layers(theirs, x))
    state = dict(theirs.state_dict(), mask_token=torch.ones(1, 1, 8))
    state['decoder_blocks.0.norm1.weight'] = state['decoder_pos_embed'] = torch.ones(8)
    assert_equal(our_layers(ours(state, 16, pos_interp_antialias=True), x), timm_layers(theirs, x))


@pytest.mark.parametrize('size', SIZES)
@torch.no_grad()
def test_vit_and_mae_of_transformers(size):
    theirs = of_transformers('ViTModel', 'ViTConfig', 16, intermediate_size=INNER)
    x = image(size, 16)
    norm = dict(norm_cfg=dict(type='LN', eps=theirs.config.layer_norm_eps))
    expected = transformers_layers(theirs, x, interpolate_pos_encoding=True)
    assert_equal(our_layers(ours(theirs.state_dict(), 16, **norm), x), expected)
    old = {
        name.replace('layers.', 'encoder.layer.')
        .replace('attention.q_proj', 'attention.attention.query')
        .replace('attention.k_proj', 'attention.attention.key')
        .replace('attention.v_proj', 'attention.attention.value')
        .replace('attention.o_proj', 'attention.output.dense')
        .replace('mlp.fc1', 'intermediate.dense')
        .replace('mlp.fc2', 'output.dense'): value
        for name, value in theirs.state_dict().items()
    }
    old = {f'vit.{k}': v for k, v in old.items()} | {'decoder.mask_token': torch.ones(1)}
    assert_equal(our_layers(ours(old, 16, **norm), x), expected)


def test_what_does_not_fit_is_named():
    state = as_facebookresearch(of_timm('vit_small_patch14_reg4_dinov2').state_dict())
    with pytest.raises(ValueError, match='has layer scale.*set layer_scale_init_value=1e-5'):
        ours(state, num_registers=4)
    with pytest.raises(ValueError, match='has register tokens.*set num_registers=4'):
        ours(state, **DINO)
    without = {name: value for name, value in state.items() if name != 'register_tokens'}
    with pytest.raises(ValueError, match='no register tokens.*change num_registers'):
        ours(without, **REGISTERS)
    with pytest.raises(ValueError, match=r'patch_embed.projection.weight: checkpoint \(32, 3, 14'):
        ours(state, 16)
    with pytest.raises(ValueError, match='a norm before the first layer.*set pre_norm=True'):
        ours(of_timm('vit_base_patch16_clip_quickgelu_224', 16).state_dict(), 16)
    plain = {name: value for name, value in without.items() if '.ls' not in name}
    with pytest.raises(ValueError, match='no layer scale.*change layer_scale_init_value'):
        ours(plain, **DINO)
    with pytest.raises(ValueError, match='layers 2 do not exist'):
        ours(plain, arch=dict(ARCH, num_layers=2))
    gated = dinov2(use_swiglu_ffn=True).state_dict()
    with pytest.raises(ValueError, match="SwiGLU.*set layer_cfgs=dict\\(ffn_type='swiglu_fused'"):
        ours(gated, **DINO)
    with pytest.raises(ValueError, match='num_registers must be 0 or more, got -1'):
        TokenViT(ARCH, num_registers=-1)


def test_depths_for_layer_decay():
    model = TokenViT(ARCH, num_registers=2, pre_norm=True, final_norm=True)
    depths = {
        name: model.get_layer_depth(f'b.{name}', 'b.') for name, _ in model.named_parameters()
    }
    assert depths['register_tokens'] == depths['pre_norm.weight'] == depths['cls_token'] == (0, 5)
    assert depths['layers.2.ln1.weight'] == (3, 5) and depths['ln1.weight'] == (4, 5)


def test_frozen_layers():
    model = TokenViT(ARCH, img_size=32, frozen_stages=2, drop_path_rate=0.5, **REGISTERS).train()
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert trained == {'cls_token'} | {n for n in dict(model.named_parameters()) if 'ers.2.' in n}
    assert not model.layers[1].training and model.layers[2].training
    model(torch.rand(2, 3, 32, 32)).patch_map.sum().backward()
    assert model.layers[1].attn.qkv.weight.grad is None and model.cls_token.grad is not None
    stem = dict(type='mmwsss.ConvStem', channels=(8, 8, 8))
    model = TokenViT(ARCH, img_size=32, frozen_stages=0, stem=stem)
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert frozen == {'pos_embed'}
    with pytest.raises(ValueError, match='frozen_stages must be at most 3, the number of layers'):
        TokenViT(ARCH, frozen_stages=4)


def test_other_channels():
    model = TokenViT(ARCH, img_size=32, in_channels=4)
    model.init_weights()
    assert model(torch.rand(1, 4, 32, 48)).patch_map.shape == (1, WIDTH, 2, 3)
    stem = dict(type='mmwsss.ConvStem', channels=(8, 8, 8))
    model = TokenViT(ARCH, img_size=32, in_channels=4, stem=stem)
    assert model(torch.rand(1, 4, 32, 48)).patch_map.shape == (1, WIDTH, 4, 6)


def test_files_through_load_weights(tmp_path):
    theirs = dinov2(4)
    torch.save(theirs.state_dict(), tmp_path / 'pytorch_model.bin')
    model = TokenViT(ARCH, img_size=56, patch_size=14, final_norm=True, **REGISTERS).eval()
    load_weights(model, tmp_path / 'pytorch_model.bin')
    x = image(SIZES[0])
    assert_equal(model(x).class_tokens[:, 0], theirs(x).last_hidden_state[:, 0])
