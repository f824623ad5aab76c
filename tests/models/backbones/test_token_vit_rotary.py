"""TokenViT with rotary positions, norms inside layers and gated layers against timm and
transformers with random weights: DINOv3, EVA-02 and the CLIP of EVA-02.
"""

import math

import pytest
import torch

from mmwsss.functional.attention import AttentionRequest
from mmwsss.models.backbones import TokenViT

from .test_token_vit_libraries import (
    ARCH,
    DEPTH,
    INNER,
    SIZES,
    WIDTH,
    assert_equal,
    image,
    of_timm,
    of_transformers,
    our_layers,
    ours,
    randomise,
    timm_layers,
    transformers_layers,
)

DINOV3 = dict(
    layer_scale_init_value=1e-5,
    num_registers=4,
    rotary='dinov3',
    absolute_positions=False,
    key_bias=False,
    norm_cfg=dict(type='LN', eps=1e-5),
)
GATED = dict(ARCH, feedforward_channels=85)  # two thirds of 128, as timm rounds it
EVA02 = dict(rotary='eva02', key_bias=False, ffn='swiglu_norm', pos_interp_antialias=True)


def dinov3(**options):
    return of_transformers(
        'DINOv3ViTModel',
        'DINOv3ViTConfig',
        patch=16,
        intermediate_size=INNER,
        num_register_tokens=4,
        **options,
    )


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('gated', [False, True])
@torch.no_grad()
def test_dinov3_of_transformers(gated, size):
    theirs = dinov3(**(dict(use_gated_mlp=True, hidden_act='silu') if gated else {}))
    x, options = image(size, 16), dict(DINOV3, ffn='swiglu' if gated else 'mlp')
    own = theirs.state_dict()
    for state in (own, {k.replace('model.layer.', 'layer.'): v for k, v in own.items()}):
        model = ours(state, 16, **options)
        assert_equal(our_layers(model, x), transformers_layers(theirs, x, 4))
    found, expected = model(x), theirs(x).last_hidden_state
    assert_equal(found.class_tokens[:, 0], expected[:, 0])
    assert_equal(found.patch_map.flatten(2).transpose(1, 2), expected[:, 5:])


def as_facebookresearch(state):
    """The names of facebookresearch's DINOv3, from those of timm; the bias of the keys, which its
    mask takes out, is not zero here.
    """
    renamed = dict(state, mask_token=torch.ones(1, WIDTH))
    renamed['storage_tokens'] = renamed.pop('reg_token')
    renamed['rope_embed.periods'] = torch.ones(4)
    for index in range(DEPTH):
        block = f'blocks.{index}.'
        query, value = (renamed.pop(f'{block}attn.{name}_bias') for name in 'qv')
        ones = torch.ones_like(query)
        renamed[f'{block}attn.qkv.bias'] = torch.cat([query, ones, value])
        renamed[f'{block}attn.qkv.bias_mask'] = torch.cat([ones, 0 * ones, ones])
        for number in '12':
            renamed[f'{block}ls{number}.gamma'] = renamed.pop(f'{block}gamma_{number}')
    return renamed


@pytest.mark.parametrize('size', SIZES)
@torch.no_grad()
def test_dinov3_of_timm_and_facebookresearch(size):
    x = image(size, 16)
    theirs = of_timm('vit_small_patch16_dinov3_qkvb', 16)
    for state in (theirs.state_dict(), as_facebookresearch(theirs.state_dict())):
        assert_equal(our_layers(ours(state, 16, **DINOV3), x), timm_layers(theirs, x))
    theirs = of_timm('vit_small_patch16_dinov3', 16, qk_norm=True)
    model = ours(theirs.state_dict(), 16, **dict(DINOV3, qkv_bias=False, qk_norm=True))
    assert_equal(our_layers(model, x), timm_layers(theirs, x))


def as_baai(state):
    """The names of BAAI's EVA-02, from those of timm."""
    renamed = {}
    for name, value in state.items():
        for theirs, released in (
            ('mlp.fc1_g', 'mlp.w1'),
            ('mlp.fc1_x', 'mlp.w2'),
            ('mlp.fc2', 'mlp.w3'),
            ('mlp.norm', 'mlp.ffn_ln'),
            ('attn.norm', 'attn.inner_attn_ln'),
            ('q_proj.bias', 'q_bias'),
            ('v_proj.bias', 'v_bias'),
        ):
            name = name.replace(theirs, released)
        renamed[name] = value
    return {
        **renamed,
        'rope.freqs_cos': torch.ones(2),
        'blocks.0.attn.rope.freqs_sin': torch.ones(2),
    }


@pytest.mark.parametrize('size', SIZES)
@torch.no_grad()
def test_eva02(size):
    x = image(size)
    theirs = of_timm('eva02_base_patch14_224', global_pool='token')
    for state in (theirs.state_dict(), as_baai(theirs.state_dict())):
        model = ours(state, arch=GATED, **EVA02)
        assert_equal(our_layers(model, x), timm_layers(theirs, x))
    theirs = of_timm('eva02_small_patch14_224', global_pool='token')
    model = ours(theirs.state_dict(), arch=GATED, **dict(EVA02, ffn='swiglu'))
    assert_equal(our_layers(model, x), timm_layers(theirs, x))


@torch.no_grad()
def test_clip_of_eva02_as_in_open_clip():
    theirs, x = of_timm('eva02_base_patch16_clip_224', 16), image(SIZES[1], 16)
    state = {f'visual.trunk.{name}': value for name, value in theirs.state_dict().items()}
    state['text.transformer.resblocks.0.ln_1.weight'] = torch.ones(4)
    model = ours(state, 16, arch=GATED, attn_norm=True, **EVA02)
    assert_equal(our_layers(model, x), timm_layers(theirs, x))


@torch.no_grad()
def test_normed_queries_and_keys_of_a_plain_network():
    theirs, x = of_timm('vit_small_patch16_224', 16, qk_norm=True), image(SIZES[1], 16)
    model = ours(theirs.state_dict(), 16, qk_norm=True, pos_interp_antialias=True)
    assert_equal(our_layers(model, x), timm_layers(theirs, x))


def rotating(num_class_tokens=1, **options):
    torch.manual_seed(0)
    options = dict(DINOV3, img_size=64, num_class_tokens=num_class_tokens, **options)
    return randomise(TokenViT(ARCH, final_norm=True, **options))


def test_attention_is_that_of_transformers():
    theirs, x = dinov3(), image(SIZES[1], 16)
    model = ours(theirs.state_dict(), 16, **DINOV3)
    keep = [0, *range(5, 5 + 18)]
    expected = torch.stack(
        [maps[:, :, keep][..., keep] for maps in theirs(x, output_attentions=True).attentions]
    )
    request = AttentionRequest('all', heads='all', reduce='stack')
    found = model(x, attention=dict(a=request)).attention['a']
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    deferred = AttentionRequest('patch_to_patch', kind='deferred')
    for layer, wanted in zip(
        model(x, attention=dict(d=deferred)).attention['d'], expected.mean(2), strict=True
    ):
        torch.testing.assert_close(layer.affinity(), wanted[:, 1:, 1:], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_hidden_patches_keep_their_places():
    model, x = rotating(3), image(SIZES[1], 16)
    hidden = torch.rand(2, 5, 18, generator=torch.Generator().manual_seed(2)) < 0.6
    expected = torch.stack(
        [model(x, key_mask=hidden[:, index]).class_tokens for index in range(5)], 1
    )
    torch.testing.assert_close(model.encode_visible(x, hidden), expected, rtol=1e-5, atol=1e-5)


def test_one_class_token_becomes_several():
    state = dinov3().state_dict()
    model = ours(state, 16, num_class_tokens=5, **DINOV3)
    assert torch.equal(model.cls_token, state['embeddings.cls_token'].expand(1, 5, -1))
    assert model.pos_embed is None and 'pos_embed' not in model.state_dict()
    model.init_weights()
    assert model.cls_token.std() > 0.01
    fresh = ours(state, 16, num_class_tokens=5, token_init='trunc_normal', **DINOV3)
    assert not torch.equal(fresh.cls_token, state['embeddings.cls_token'].expand(1, 5, -1))


def test_keys_without_a_bias_stay_so():
    model = rotating()
    model(image(SIZES[0], 16)).class_tokens.sum().backward()
    gradient = model.layers[0].attn.qkv.bias.grad.view(3, WIDTH)
    assert (gradient[1] == 0).all() and (gradient[[0, 2]] != 0).all()


@pytest.mark.parametrize('training', [False, True])
@torch.no_grad()
def test_it_compiles_as_one_graph(training):
    torch._dynamo.reset()
    model, x = sensitive(**RANDOM).train(training), image(SIZES[1], 16)
    compiled = torch.compile(model, backend='eager', fullgraph=True)
    for seed in (0, 1):
        found, expected = (seeded(network, x, seed).patch_map for network in (compiled, model))
        torch.testing.assert_close(found, expected)


RANDOM = dict(rotary_shift=0.3, rotary_jitter=1.5, rotary_rescale=2.0)
CHOICES = [dict(rotary_rescale=2.0), RANDOM]


def seeded(model, x, seed, **options):
    torch.manual_seed(seed)
    return model(x, **options)


def sensitive(num_class_tokens=1, **options):
    """A network in which what a token attends to depends much on places."""
    model = rotating(num_class_tokens, **options)
    with torch.no_grad():
        for layer in model.layers:
            layer.attn.qkv.weight.mul_(10)
    return model


def our_inputs(model, x, seed):
    """(L-1,B,1+N,D): tokens after every layer but the last, registers left out."""
    inputs = seeded(model, x, seed, layer_inputs=None).layer_inputs[1:]
    return torch.stack(
        [torch.cat([tokens[:, :1], tokens[:, model.patch_rows]], 1) for tokens in inputs]
    )


@pytest.mark.parametrize('random', CHOICES)
@torch.no_grad()
def test_random_places_of_transformers(random):
    """A network that is trained draws the same places from the same seed."""
    theirs = dinov3(**{name.replace('rotary', 'pos_embed'): n for name, n in random.items()})
    x = image(SIZES[1], 16)
    model = ours(theirs.state_dict(), 16, **DINOV3, **random)
    fixed = our_inputs(model, x, 0)
    for network in (model, theirs):
        network.train()
    for seed in (1, 3):
        found = our_inputs(model, x, seed)
        torch.manual_seed(seed)
        assert_equal(found, transformers_layers(theirs, x, 4)[:-1])
        assert (found - fixed).abs().max() > 1e-3
    assert torch.equal(our_inputs(model.eval(), x, 2), fixed)  # nothing of it remains


@pytest.mark.parametrize('random', CHOICES)
@pytest.mark.parametrize('name', ['vit_small_patch16_dinov3_qkvb', 'eva02_base_patch16_clip_224'])
@torch.no_grad()
def test_random_places_of_timm(name, random):
    coordinates = {name.replace('rotary', 'rope') + '_coords': n for name, n in random.items()}
    theirs, x = of_timm(name, 16, **coordinates), image(SIZES[1], 16)
    options = DINOV3 if 'dinov3' in name else dict(EVA02, arch=GATED, attn_norm=True)
    model = ours(theirs.state_dict(), 16, **options, **random)
    for network in (model, theirs):
        network.train()
    found = our_inputs(model, x, 3)
    torch.manual_seed(3)
    assert_equal(found, timm_layers(theirs, x)[:-1])


@torch.no_grad()
def test_places_are_random_only_on_request_and_only_in_training():
    plain, random, x = sensitive(), sensitive(**RANDOM), image(SIZES[1], 16)
    expected = plain(x).patch_map
    state = torch.get_rng_state()
    for network in (random, plain.train()):
        assert torch.equal(network(x).patch_map, expected)
    assert torch.equal(torch.get_rng_state(), state)  # no number was drawn
    first, again, other = (seeded(random.train(), x, seed).patch_map for seed in (0, 0, 1))
    assert torch.equal(first, again) and (first - other).abs().max() > 0.01


@torch.no_grad()
def test_one_factor_multiplies_all_places_of_a_pass():
    model, x = sensitive(rotary_rescale=2.0).train(), image(SIZES[1], 16)
    torch.manual_seed(5)
    factor = torch.empty(1).uniform_(-math.log(2), math.log(2)).exp()
    found = seeded(model, x, 5).patch_map
    base = model.rotary.base
    height, width = found.shape[-2:]
    y, x_ = ((2 * (torch.arange(side) + 0.5) / side - 1) * factor for side in (height, width))
    places = torch.cartesian_prod(y, x_)[:, :, None] * 2 * math.pi
    bands = base ** -(torch.arange(model.head_dims // 4) / (model.head_dims // 4))
    angles = (places * bands).flatten(1).repeat(1, 2)
    table = torch.stack([angles.cos(), angles.sin()])
    around = torch.stack([torch.ones(4, model.head_dims), torch.zeros(4, model.head_dims)])
    model._rotation = lambda grid, like: torch.cat([around[:, :1], table, around], 1)
    torch.testing.assert_close(model(x).patch_map, found, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_hidden_patches_move_with_the_others():
    model, x = sensitive(3, **RANDOM).train(), image(SIZES[1], 16)
    hidden = torch.rand(2, 1, 18, generator=torch.Generator().manual_seed(2)) < 0.6
    expected = seeded(model, x, 4, key_mask=hidden[:, 0]).class_tokens
    torch.manual_seed(4)
    found = model.encode_visible(x, hidden)[:, 0]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_bad_random_places_are_named():
    for options, message in (
        (dict(rotary_rescale=0.5), 'rotary_rescale must be a finite number of at least 1.*got 0.5'),
        (dict(rotary_jitter=math.inf), 'rotary_jitter must be .* at least 1, or None.*got inf'),
        (dict(rotary_jitter=math.nan), 'rotary_jitter must be .* got nan'),
        (dict(rotary_shift=-0.1), 'rotary_shift must be .* at least 0.* got -0.1'),
        (dict(rotary_rescale='2'), "rotary_rescale must be a finite number .* got '2'"),
        (dict(rotary_rescale=True), 'rotary_rescale must be a finite number .* got True'),
        (
            dict(rotary_rescale=2.0, rotary=None),
            'rotary_rescale=2.0 changes rotary positions, .* set rotary to one of .* leave rotary',
        ),
    ):
        with pytest.raises(ValueError, match=message):
            TokenViT(ARCH, **dict(dict(rotary='dinov3'), **options))
    model = rotating(rotary_rescale=1, rotary_shift=0).train()
    with pytest.raises(ValueError, match='cannot repeat the random rotary positions.*call eval'):
        model.explain_layer(0, torch.rand(1, 21, WIDTH), grid=(4, 4))
    assert model.eval().explain_layer(0, torch.rand(1, 21, WIDTH), grid=(4, 4))[0].shape[1] == 21


def test_what_does_not_fit_is_named():
    state = dinov3().state_dict()
    with pytest.raises(ValueError, match='no absolute positions.*change absolute_positions'):
        ours(state, 16, **dict(DINOV3, absolute_positions=True))
    eva = as_baai(of_timm('eva02_base_patch16_clip_224', 16).state_dict())
    with pytest.raises(ValueError, match='has rotary positions.*set rotary to one of'):
        ours(eva, 16, arch=GATED, attn_norm=True, **dict(EVA02, rotary=None))
    with pytest.raises(ValueError, match='a norm inside the attention.*set attn_norm=True'):
        ours(eva, 16, arch=GATED, **EVA02)
    with pytest.raises(ValueError, match="a norm inside SwiGLU.*set ffn='swiglu_norm'"):
        ours(eva, 16, arch=GATED, attn_norm=True, **dict(EVA02, ffn='swiglu'))
    with pytest.raises(ValueError, match='absolute positions.*set absolute_positions=True'):
        ours(eva, 16, arch=GATED, attn_norm=True, **dict(EVA02, absolute_positions=False))
    for options, message in (
        (dict(rotary='rope'), "rotary must be one of .*, got 'rope'"),
        (dict(ffn='gated'), "ffn must be one of .*, got 'gated'"),
        (dict(rotary='dinov3', arch=dict(ARCH, num_heads=16)), 'multiple of 4, got 2'),
    ):
        with pytest.raises(ValueError, match=message):
            TokenViT(**dict(dict(arch=ARCH), **options))
    model = rotating()
    with pytest.raises(ValueError, match='needs the grid of the patches'):
        model.explain_layer(0, torch.rand(1, 21, WIDTH))
