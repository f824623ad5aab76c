"""DeepLab-V1, DeepLab-V2 and LargeFOV decode heads."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.nn import functional as F

from mmwsss.models.heads import DeepLabV1Head, DeepLabV2Head, LargeFOVHead
from mmwsss.registry import MODELS

LOSS = dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True)


def features():
    return [torch.rand(2, 4, 9, 9), torch.rand(2, 6, 13, 17)]


def test_deeplab_v1_of_mctformer():
    head = DeepLabV1Head(6, 5, channels=8, loss_decode=LOSS).eval()
    head.init_weights()
    maps = features()
    hidden = F.conv2d(maps[-1], head.conv1.weight, head.conv1.bias, padding=12, dilation=12).relu()
    torch.testing.assert_close(
        head(maps),
        F.conv2d(hidden, head.conv_seg.weight, head.conv_seg.bias, padding=12, dilation=12),
    )
    assert (
        head.conv_seg.weight.shape == (5, 8, 3, 3)
        and not head.align_corners
        and head.dropout is None
    )
    bound = (6 / ((6 + 8) * 9)) ** 0.5
    assert 0.8 * bound < head.conv1.weight.abs().max() <= bound


def test_deeplab_v1_of_seam():
    head = DeepLabV1Head(6, 5, variant='ssc', channels=8, loss_decode=LOSS)
    assert (
        head.align_corners
        and head.conv1.bias is None
        and head.conv_seg.weight.shape == (5, 8, 1, 1)
        and head.dropout.p == 0.5
    )
    head.eval()
    maps = features()
    hidden = head.bn1(F.conv2d(maps[-1], head.conv1.weight, padding=12, dilation=12)).relu()
    hidden = head.bn2(F.conv2d(hidden, head.conv2.weight)).relu()
    torch.testing.assert_close(head(maps), head.conv_seg(hidden))
    with pytest.raises(ValueError, match='variant'):
        DeepLabV1Head(6, 5, variant='x', loss_decode=LOSS)


def test_deeplab_v2_is_a_sum():
    head = DeepLabV2Head(6, 5, loss_decode=LOSS)
    head.init_weights()
    assert not hasattr(head, 'conv_seg') and len(head.convs) == 4
    assert all(not conv.bias.any() and 0.005 < conv.weight.std() < 0.02 for conv in head.convs)
    maps = features()
    expected = torch.stack(
        [
            F.conv2d(maps[-1], conv.weight, conv.bias, padding=d, dilation=d)
            for conv, d in zip(head.convs, (6, 12, 18, 24))
        ]
    )
    torch.testing.assert_close(head(maps), expected.sum(0))


def test_large_fov():
    head = LargeFOVHead(6, 5, channels=8, loss_decode=LOSS)
    before = head.conv6.weight.clone()
    head.init_weights()
    assert torch.equal(head.conv6.weight, before)  # PyTorch's own initialisation
    assert list(head.state_dict()) == ['conv6.weight', 'conv7.weight', 'conv8.weight']
    maps = features()
    hidden = F.conv2d(maps[-1], head.conv6.weight, padding=5, dilation=5).relu()
    hidden = F.conv2d(hidden, head.conv7.weight, padding=5, dilation=5).relu()
    torch.testing.assert_close(head(maps), F.conv2d(hidden, head.conv8.weight))


@pytest.mark.parametrize(
    'head',
    [
        dict(type='mmwsss.DeepLabV1Head'),
        dict(type='mmwsss.DeepLabV1Head', variant='ssc'),
        dict(type='mmwsss.DeepLabV2Head'),
        dict(type='mmwsss.LargeFOVHead'),
    ],
)
def test_heads_in_an_mmseg_segmentor(head):
    backbone = dict(
        type='mmwsss.PyramidResNet',
        depth=18,
        base_channels=4,
        stem_channels=4,
        frozen_stages=-1,
        norm_eval=False,
    )
    segmentor = MODELS.build(
        dict(
            type='mmseg.EncoderDecoder',
            backbone=backbone,
            test_cfg=ConfigDict(mode='whole'),
            decode_head=dict(in_channels=32, num_classes=3, loss_decode=LOSS, **head),
        )
    )
    segmentor.init_weights()
    inputs = torch.rand(2, 3, 32, 48)
    samples = [
        SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 3, (1, 32, 48)))) for _ in inputs
    ]
    segmentor.loss(inputs, samples)['decode.loss_ce'].backward()
    assert all(parameter.grad is not None for parameter in segmentor.parameters())
    assert segmentor.eval().predict(inputs)[0].pred_sem_seg.data.shape == (1, 32, 48)
