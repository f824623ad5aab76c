"""deeplab-pytorch names cover MMSegmentation's ResNet and our head."""

import torch
from mmseg.models.backbones import ResNet

from mmwsss.checkpoints.deeplab import translate_deeplab_keys
from mmwsss.models.heads import DeepLabV2Head


def released_names(blocks=(3, 4, 23, 3)):
    layers = ['layer1.conv1']
    for stage, count in enumerate(blocks, start=2):
        for block in range(1, count + 1):
            convs = (
                ('reduce', 'conv3x3', 'increase', 'shortcut')
                if block == 1
                else ('reduce', 'conv3x3', 'increase')
            )
            layers += [f'layer{stage}.block{block}.{conv}' for conv in convs]
    names = [f'{layer}.conv.weight' for layer in layers]
    names += [
        f'{layer}.bn.{what}'
        for layer in layers
        for what in ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')
    ]
    return names + [f'aspp.c{index}.{what}' for index in range(4) for what in ('weight', 'bias')]


def test_names_cover_the_network():
    with torch.device('meta'):
        backbone = ResNet(101, style='caffe', strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))
        head = DeepLabV2Head(
            2048, 21, loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True)
        )
    names = released_names()
    for prefix in ('', 'base.', 'module.base.'):
        translated, unused = translate_deeplab_keys({prefix + name: name for name in names})
        expected = {f'backbone.{name}' for name in backbone.state_dict()} | {
            f'decode_head.{name}' for name in head.state_dict()
        }
        assert set(translated) == expected and len(translated) == len(names) and not unused
    assert translated['backbone.layer2.1.conv1.weight'] == 'layer3.block2.reduce.conv.weight'
    assert translated['backbone.layer1.0.downsample.1.bias'] == 'layer2.block1.shortcut.bn.bias'
    assert translated['backbone.bn1.running_var'] == 'layer1.conv1.bn.running_var'


def test_bare_backbone():
    translated, unused = translate_deeplab_keys(
        dict.fromkeys([*released_names(), 'fc.weight']), backbone='', head=None
    )
    assert 'conv1.weight' in translated and not any(
        name.startswith(('aspp', 'convs')) for name in translated
    )
    assert unused == [
        f'aspp.c{index}.{what}' for index in range(4) for what in ('weight', 'bias')
    ] + ['fc.weight']
