"""Every backbone and head starts as its ``init_cfg`` says, also inside another model."""

import inspect

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.registry import MODELS

TINY = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
STEM = dict(embed_dims=16, input_size=(32, 32))
LOSS = dict(type='mmseg.CrossEntropyLoss')  # with its scope: no default one is set here
OPTIONS = {
    'CeilPoolResNet': dict(depth=18),
    'ConvStem': dict(channels=(4, 8), **STEM),
    'EfficientNetLite': dict(embed_dims=16),
    'HybridViT': dict(arch=TINY, img_size=32, stem=dict(depths=(1, 1, 1))),
    'LibraryViT': dict(name='timm:vit_tiny_patch16_224', img_size=32, depth=2),
    'PyramidResNet': dict(depth=18),
    'ResNetStem': dict(depths=(1, 1, 1), **STEM),
    'TokenViT': dict(arch=TINY, img_size=32),
    'WideResNet38': dict(),
    'ClassTokenHead': dict(pooling='linear', num_classes=3, embed_dims=16),
    'DeepLabV1Head': dict(in_channels=8, num_classes=3, loss_decode=LOSS),
    'DeepLabV2Head': dict(in_channels=8, num_classes=3, loss_decode=LOSS),
    'LargeFOVHead': dict(in_channels=8, num_classes=3),
    'PatchCAMHead': dict(num_classes=3, embed_dims=16),
    'Projector': dict(in_channels=8),
}
# without a layer that an initialiser of MMEngine could name, or without the option
IN_THE_CONSTRUCTOR = ('ClassTokenHead', 'Projector')
STEMS = {
    'ConvStem': dict(channels=(4, 8)),
    'EfficientNetLite': dict(out_indices=(2,)),
    'ResNetStem': dict(depths=(1, 1), channels=(128, 256)),
}


def registered(package):
    return {
        name
        for name, component in MODELS.module_dict.items()
        if component.__module__.startswith(f'mmwsss.models.{package}.')
        and issubclass(component, nn.Module)
    }


def test_the_table_is_complete():
    assert registered('backbones') | registered('heads') == set(OPTIONS)


def constant(value):
    return dict(type='Constant', layer=['Conv2d', 'Linear'], val=value)


def layers(module):
    return [part for part in module.modules() if isinstance(part, (nn.Conv2d, nn.Linear))]


@pytest.mark.parametrize('name', [name for name in OPTIONS if name not in IN_THE_CONSTRUCTOR])
def test_init_cfg_reaches_every_layer(name):
    parent = BaseModule()
    with torch.device('cpu' if name != 'WideResNet38' else 'meta'):
        parent.part = MODELS.build(
            dict(type=f'mmwsss.{name}', init_cfg=constant(0.125), **OPTIONS[name])
        )
    parent = parent.to_empty(device='cpu') if name == 'WideResNet38' else parent
    parent.init_weights()
    found = layers(parent)
    assert found and all((layer.weight == 0.125).all() for layer in found)


@pytest.mark.parametrize('name', IN_THE_CONSTRUCTOR)
def test_parts_that_start_in_their_constructor(name):
    part = MODELS.build(dict(type=f'mmwsss.{name}', **OPTIONS[name]))
    assert all(weight.std() > 0 for weight in part.parameters() if weight.dim() > 1)
    if name == 'ClassTokenHead':
        assert not layers(part) and part.weight.std() > 0
    else:
        assert 'init_cfg' not in inspect.signature(type(part)).parameters


@pytest.mark.parametrize('name', STEMS)
def test_init_cfg_of_a_stem(name):
    """The stem starts as it says, the layers of the transformer as ever."""
    stem = dict(type=f'mmwsss.{name}', init_cfg=constant(0.125), **STEMS[name])
    parent = BaseModule()
    parent.backbone = MODELS.build(dict(type='mmwsss.TokenViT', arch=TINY, img_size=32, stem=stem))
    parent.init_weights()
    assert all((layer.weight == 0.125).all() for layer in layers(parent.backbone.patch_embed))
    assert parent.backbone.layers[0].attn.qkv.weight.std() > 0.01


def test_own_start_of_a_stem():
    """``init_weights`` of a stem runs once, with a checkpoint for it in ``init_cfg`` too."""

    class Stem(nn.Module):
        def __init__(self, embed_dims, input_size):
            super().__init__()
            self.projection = nn.Conv2d(3, embed_dims, 8, 8)
            self.stride, self.init_out_size = 8, (4, 4)
            self.calls = 0

        def init_weights(self):
            self.calls += 1
            nn.init.constant_(self.projection.weight, 0.25)

    MODELS.register_module(name='StemOfThisTest', module=Stem)
    try:
        backbone = MODELS.build(
            dict(type='mmwsss.TokenViT', arch=TINY, img_size=32, stem=dict(type='StemOfThisTest'))
        )
    finally:
        MODELS.module_dict.pop('StemOfThisTest')
    backbone.init_weights()
    assert backbone.patch_embed.calls == 1
    assert (backbone.patch_embed.projection.weight == 0.25).all()


def with_stem(**options):
    return MODELS.build(
        dict(
            type='mmwsss.TokenViT',
            arch=TINY,
            img_size=32,
            stem=dict(type='mmwsss.ConvStem', channels=(4, 8)),
            **options,
        )
    )


def test_checkpoint_of_a_stem_alone(tmp_path):
    source = with_stem()
    state = {
        name: value
        for name, value in source.state_dict().items()
        if name.startswith('patch_embed.')
    }
    torch.save(state, tmp_path / 'stem.pth')
    model = with_stem(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'stem.pth')))
    model.init_weights()
    for name, value in model.patch_embed.state_dict().items():
        torch.testing.assert_close(value, state[f'patch_embed.{name}'])
    assert model.layers[0].attn.qkv.weight.std() > 0.01 and model.cls_token.std() > 0.01

    state.pop('patch_embed.projection.bias')
    torch.save(state, tmp_path / 'stem.pth')
    with pytest.raises(ValueError, match='it has no bias of the patch embedding'):
        with_stem(
            init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'stem.pth'))
        ).init_weights()
