"""Weights behind prefixes and entries, and those of another network."""

import pytest
import torch
from mmengine.runner import load_checkpoint
from mmseg.models.backbones import ResNetV1c

from mmwsss.checkpoints.wrapped import (
    check_finite_weights,
    find_prefix,
    meta_of,
    refuse_foreign_weights,
    state_of,
    unwrap_state,
)
from mmwsss.models.backbones import EfficientNetLite, PyramidResNet, TokenViT

ARCH = dict(embed_dims=32, num_layers=1, num_heads=2, feedforward_channels=64)
BACKBONES = {
    'pyramid': lambda **k: PyramidResNet(18, **k),
    'vit': lambda **k: TokenViT(arch=ARCH, img_size=64, **k),
    'efficientnet': lambda **k: EfficientNetLite(**k),
    'mmseg': lambda **k: refuse_foreign_weights(ResNetV1c(depth=18, **k)),
}
WRAPS = {
    'plain': lambda state: state,
    'state_dict': lambda state: dict(state_dict=state, epoch=3),
    'own training': lambda state: dict(
        state_dict={f'backbone.{k}': v for k, v in state.items()} | {'head.bias': torch.ones(3)}
    ),
    'compiled': lambda state: {f'_orig_mod.{k}': v for k, v in state.items()},
    'compiled DDP': lambda state: {f'module._orig_mod.{k}': v for k, v in state.items()},
    'teacher': lambda state: dict(teacher=state, optimizer=dict(lr=1)),
    'teacher and student': lambda state: dict(
        student={f'module.backbone.{k}': -v for k, v in state.items()},
        teacher={f'backbone.{k}': v for k, v in state.items()},
    ),
    'deep': lambda state: {f'net.encoder.trunk.{k}': v for k, v in state.items()},
}


def marked(network):
    return {
        key: torch.full_like(value, 0.123) if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }


@pytest.mark.parametrize('wrap', WRAPS)
@pytest.mark.parametrize('name', BACKBONES)
def test_wrapped_weights_are_found(name, wrap, tmp_path):
    network = BACKBONES[name]()
    torch.save(WRAPS[wrap](marked(network)), tmp_path / 'x.pth')
    load_checkpoint(network, str(tmp_path / 'x.pth'), logger='silent')
    values = [v for v in network.state_dict().values() if v.is_floating_point()]
    assert all(bool((value == 0.123).all()) for value in values)


@pytest.mark.parametrize('name', BACKBONES)
@pytest.mark.parametrize('kind', ['other names', 'other shapes', 'empty'])
def test_another_network_is_refused(name, kind, tmp_path):
    path = tmp_path / 'x.pth'
    network = BACKBONES[name](init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    names = list(network.state_dict())
    content = {
        'other names': {'features.0.weight': torch.zeros(8, 3, 3, 3)},
        'other shapes': {key: torch.zeros(7, 7) for key in names},
        'empty': {},
    }[kind]
    torch.save(content, path)
    with pytest.raises(ValueError, match='another|positions|checkpoint'):
        network.init_weights()


def test_prefixes():
    names = ['a.w', 'b.w', 'teacher.a.w', 'teacher.b.w', 'teacher.c.w']
    assert find_prefix(names, ['a.w', 'b.w']) == ('', 2)  # nothing is gained
    assert find_prefix(names, ['a.w', 'b.w', 'c.w']) == ('teacher.', 3)
    assert find_prefix(['x.y'], ['q']) == ('', 0)
    state, prefix = unwrap_state(dict(ema=dict(w=torch.ones(1)), step=1), ['w'])
    assert list(state) == ['w'] and prefix == 'ema.'


@pytest.mark.parametrize(
    'content, kind',
    [
        ([1], 'list'),
        (torch.zeros(2), 'Tensor'),
        ({1: torch.zeros(2)}, 'dict'),
        (dict(state_dict='x'), 'str'),
        (dict(state_dict=[1]), 'list'),
    ],
)
def test_what_holds_no_weights_by_name(content, kind):
    with pytest.raises(ValueError, match=f'holds a {kind}, not a dictionary of weights'):
        state_of(content)


def test_weights_and_notes():
    weights = dict(w=torch.zeros(2))
    assert state_of({'module.w': weights['w']}) == state_of(dict(state_dict=weights)) == weights
    assert meta_of(dict(meta=dict(epoch=1))) == dict(epoch=1)
    assert meta_of(dict(meta='x')) == meta_of({}) == {}


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_weights_that_are_not_finite(value):
    model = torch.nn.Linear(2, 2)
    check_finite_weights(model, 'a.pth')
    torch.nn.init.constant_(model.bias, value)
    with pytest.raises(ValueError, match=r'a\.pth: the weights bias are not all finite'):
        check_finite_weights(model, 'a.pth')
