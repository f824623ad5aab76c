"""Networks of the libraries in the options of TokenViT."""

import pytest

from mmwsss.models.backbones.library_options import NotPlain, timm_options, transformers_options

TINY = dict(img_size=64, depth=1, embed_dim=32, num_heads=2, num_classes=0)


@pytest.mark.parametrize(
    'name, expected',
    [
        ('vit_base_patch16_clip_quickgelu_224', dict(pre_norm=True, final_norm=True)),
        ('vit_small_patch16_dinov3', dict(rotary='dinov3', qkv_bias=False, num_registers=4)),
        ('eva02_base_patch16_clip_224', dict(rotary='eva02', ffn='swiglu_norm', attn_norm=True)),
        ('vit_giant_patch14_reg4_dinov2', dict(ffn='swiglu', layer_scale_init_value=1e-5)),
        ('vit_base_patch16_224', dict(rotary=None, key_bias=True, absolute_positions=True)),
    ],
)
def test_timm(name, expected):
    timm = pytest.importorskip('timm')
    size = 56 if 'patch14' in name else 64
    options = timm_options(timm.create_model(name, **dict(TINY, img_size=size)))
    assert {key: options[key] for key in expected} == pytest.approx(expected)
    assert options['arch']['embed_dims'] == 32 and options['img_size'] == (size, size)


def test_random_places_are_those_of_the_library():
    timm = pytest.importorskip('timm')
    transformers = pytest.importorskip('transformers')
    name, parts = 'vit_small_patch16_dinov3', ('shift', 'jitter', 'rescale')

    def found(options):
        return [options[f'rotary_{part}'] for part in parts]

    assert found(timm_options(timm.create_model(name, **TINY))) == [None, None, None]
    moved = dict(rope_shift_coords=0.1, rope_jitter_coords=1.5, rope_rescale_coords=2.0)
    assert found(timm_options(timm.create_model(name, **TINY, **moved))) == [0.1, 1.5, 2.0]
    assert found(transformers_options(transformers.DINOv3ViTConfig())) == [None, None, 2.0]
    moved = transformers.DINOv3ViTConfig(pos_embed_shift=0.1, pos_embed_jitter=1.5)
    assert found(transformers_options(moved)) == [0.1, 1.5, 2.0]
    assert found(transformers_options(transformers.ViTConfig())) == [None, None, None]


@pytest.mark.parametrize(
    'name, message',
    [
        ('resnet18', 'a ResNet, not a vision transformer'),
        ('vit_base_patch16_rope_mixed_224', 'rotary positions of the kind'),
        ('vit_small_patch16_18x2_224', 'layers of the kind ParallelThingsBlock'),
    ],
)
def test_other_networks_of_timm(name, message):
    timm = pytest.importorskip('timm')
    options = {} if name == 'resnet18' else TINY
    with pytest.raises(NotPlain, match=message):
        timm_options(timm.create_model(name, **options))


def test_transformers():
    transformers = pytest.importorskip('transformers')
    options = transformers_options(transformers.Dinov2Config(use_swiglu_ffn=True))
    assert options['ffn'] == 'swiglu' and options['arch']['feedforward_channels'] == 2048
    options = transformers_options(transformers.CLIPConfig())
    assert options['pre_norm'] and options['norm_cfg']['eps'] == 1e-5
    assert options['layer_cfgs']['act_cfg']['type'] == 'mmpretrain.QuickGELU'
    assert transformers_options(transformers.DINOv3ViTConfig())['rotary'] == 'dinov3'
    with pytest.raises(NotPlain, match='a swin; known: vit, vit_mae, dinov2'):
        transformers_options(transformers.SwinConfig())
    with pytest.raises(NotPlain, match='layers with relu'):
        transformers_options(transformers.ViTConfig(hidden_act='relu'))
