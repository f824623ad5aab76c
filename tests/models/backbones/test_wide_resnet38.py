"""ResNet38 against the released network with weights drawn from the names of its parameters."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mmwsss.checkpoints.resnet38 import translate_mctformer_segmentation_keys
from mmwsss.models.backbones import WideResNet38, wide_resnet38
from mmwsss.models.heads import DeepLabV1Head

GOLDEN = Path(__file__).parents[2] / 'golden'


def drawn(name, shape):
    z = (
        np.random.RandomState(zlib.crc32(name.encode()) & 0xFFFFFFFF)
        .standard_normal(shape)
        .astype(np.float32)
    )
    if len(shape) == 4:
        z *= np.float32(0.5 * np.sqrt(2 / np.prod(shape[1:])))
    elif name.endswith('running_var'):
        z = 1 + np.float32(0.1) * np.abs(z)
    elif name.endswith(('running_mean', 'bias')):
        z *= np.float32(0.1)
    else:
        z = 1 + np.float32(0.1) * z
    return torch.from_numpy(z)


def on_meta(**options):
    """The network without memory."""
    with torch.device('meta'):
        return WideResNet38(**options)


def released_keys():
    return json.loads((GOLDEN / 'wide_resnet38_keys.json').read_text())


def test_parameter_names_are_the_released_ones():
    own = [
        [name, list(value.shape)]
        for name, value in on_meta().state_dict().items()
        if not name.endswith('num_batches_tracked')
    ]
    assert own == [entry for entry in released_keys() if not entry[0].startswith('fc8')]


def test_released_network():
    network = nn.ModuleDict(
        dict(backbone=on_meta(out_features=('conv2', 'conv3', 'conv4', 'conv5', 'conv6')).eval())
    )
    with torch.device('meta'):
        network['decode_head'] = DeepLabV1Head(
            4096, 21, loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True)
        )
    state = translate_mctformer_segmentation_keys(
        {name: drawn(name, shape) for name, shape in released_keys()}
    )
    for name in network.state_dict():
        if name.endswith('num_batches_tracked'):
            state[name] = torch.tensor(0)
    network.load_state_dict(state, assign=True)
    with np.load(GOLDEN / 'wide_resnet38.npz', allow_pickle=False) as file:
        data = {key: torch.from_numpy(file[key]) for key in file}
    with torch.no_grad():
        maps = network['backbone'](data['x'])
        logits = network['decode_head'](maps)
    backbone = network['backbone']
    assert [feature_map.shape[1] for feature_map in maps] == list(backbone.out_channels)
    assert [-(-41 // stride) for stride in backbone.out_strides] == [
        feature_map.shape[2] for feature_map in maps
    ]
    assert [-(-50 // stride) for stride in backbone.out_strides] == [
        feature_map.shape[3] for feature_map in maps
    ]
    for feature_map, name, step in zip(maps[2:], ('conv4', 'conv5', 'conv6'), (32, 64, 256)):
        torch.testing.assert_close(feature_map[:, ::step], data[name], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(logits, data['logits'], rtol=1e-4, atol=1e-5)

    backbone.out_features = ('conv3', 'conv2')  # stops early, keeps the asked order
    with torch.no_grad():
        early = backbone(data['x'])
    assert torch.equal(early[0], maps[1]) and torch.equal(early[1], maps[0])


def test_frozen_parts():
    network = on_meta(frozen_stages=1).train()
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert all(name.split('.')[1].startswith('conv_branch') for name in trained)
    assert {name.split('.')[0] for name in trained} == {
        name for name in network.block_names if not name.startswith('b2')
    }
    assert not any(
        module.training for module in network.modules() if isinstance(module, nn.BatchNorm2d)
    )
    assert (
        network.b7.dropout.training and network.b7.dropout.p == 0.5 and network.b6.dropout.p == 0.3
    )

    free = on_meta(frozen_stages=-1, frozen_bn=False).train()
    assert all(parameter.requires_grad for parameter in free.parameters())
    assert all(module.training for module in free.modules())
    whole = on_meta(frozen_stages=6).train()
    assert {
        name.split('.')[0]
        for name, parameter in whole.named_parameters()
        if parameter.requires_grad
    } == set()
    assert not whole.b7.dropout.training


def test_training_step_with_and_without_checkpointing(monkeypatch):
    monkeypatch.setattr(
        wide_resnet38,
        'BASIC_BLOCKS',
        (
            ('b2', 64, 8, 8, 2, 1, 1),
            ('b3', 8, 8, 8, 2, 1, 1),
            ('b4', 8, 8, 8, 2, 1, 1),
            ('b4_1', 8, 8, 8, 1, 1, 1),
            ('b5', 8, 8, 12, 1, 1, 2),
        ),
    )
    monkeypatch.setattr(
        wide_resnet38, 'BOTTLENECKS', (('b6', 12, (4, 8), 16, 4), ('b7', 16, (4, 8), 4096, 4))
    )
    network = WideResNet38(('conv6',), frozen_stages=-1, dropout=(0, 0))
    network.init_weights()
    inputs = torch.rand(2, 3, 17, 24)
    gradients = []
    for with_cp in (False, True):
        network.with_cp = with_cp
        network.zero_grad()
        network(inputs)[0].square().mean().backward()
        gradients.append(
            [
                parameter.grad.clone()
                for parameter in network.parameters()
                if parameter.requires_grad
            ]
        )
    assert all(gradient.any() for gradient in gradients[0])
    for one, two in zip(*gradients):
        torch.testing.assert_close(one, two)


def test_mxnet_file_in_init_cfg(monkeypatch):
    monkeypatch.setattr(wide_resnet38, 'load_mxnet_resnet38', lambda path: dict(path=path))
    network, calls = on_meta(init_cfg=dict(type='Pretrained', checkpoint='weights.params')), []
    monkeypatch.setattr(
        network, 'load_state_dict', lambda state, strict: calls.append((state, strict))
    )
    network.init_weights()
    assert calls == [(dict(path='weights.params'), True)]


def test_bad_options():
    with pytest.raises(ValueError, match='out_features'):
        on_meta(out_features=('conv9',))
    with pytest.raises(ValueError, match='frozen_stages'):
        on_meta(frozen_stages=7)
