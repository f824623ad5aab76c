"""Multi-scale inputs of DeepLab-V2."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.nn import functional as F

from mmwsss.models.segmentors import MSCSegmentor


def build(**options):
    backbone = dict(
        type='mmwsss.PyramidResNet', depth=18, base_channels=4, stem_channels=4, frozen_stages=-1
    )
    head = dict(
        type='mmwsss.DeepLabV2Head',
        in_channels=32,
        num_classes=4,
        loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True),
    )
    segmentor = MSCSegmentor(
        backbone, head, test_cfg=ConfigDict(options.pop('test_cfg', dict(mode='whole'))), **options
    )
    segmentor.init_weights()
    return segmentor


def batch():
    inputs, labels = torch.randn(2, 3, 49, 65), torch.randint(0, 5, (2, 1, 49, 65))
    labels[labels == 4] = 255
    return inputs, labels, [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]


def test_loss_is_the_sum_over_scales_and_their_maximum():
    segmentor = build().eval()
    inputs, labels, samples = batch()
    losses = segmentor.loss(inputs, samples)
    assert list(losses) == [
        'decode.loss_ce_1',
        'decode.loss_ce_0.75',
        'decode.loss_ce_0.5',
        'decode.loss_ce_max',
    ]
    logits = []
    for size, scale in (((49, 65), 1), ((36, 48), 0.75), ((24, 32), 0.5)):
        resized = F.interpolate(inputs, scale_factor=scale, mode='bilinear', align_corners=False)
        assert resized.shape[2:] == size
        logits.append(segmentor.decode_head(segmentor.backbone(resized)))
    size = logits[0].shape[2:]
    logits.append(
        torch.stack(
            [
                F.interpolate(maps, size=size, mode='bilinear', align_corners=False)
                for maps in logits
            ]
        ).amax(0)
    )
    for loss, maps in zip(losses.values(), logits):
        rows, columns = (
            (torch.arange(n) + 0.5) * (side / n)
            for n, side in zip(maps.shape[2:], labels.shape[2:])
        )
        target = labels[:, 0][:, rows.long()][:, :, columns.long()]
        torch.testing.assert_close(
            loss, F.cross_entropy(maps, target, ignore_index=255), rtol=1e-4, atol=1e-6
        )


def test_prediction_is_the_maximum_alone():
    segmentor = build().eval()
    inputs, _, _ = batch()
    fused = segmentor(inputs, mode='tensor')
    predicted = segmentor.predict(inputs)
    expected = F.interpolate(fused, size=(49, 65), mode='bilinear', align_corners=False)
    torch.testing.assert_close(predicted[0].seg_logits.data, expected[0])
    slide = build(test_cfg=dict(mode='slide', crop_size=(33, 33), stride=(16, 16))).eval()
    assert slide.predict(inputs)[1].pred_sem_seg.data.shape == (1, 49, 65)


def test_auxiliary_head_and_bad_options():
    head = dict(
        type='mmwsss.DeepLabV2Head',
        in_channels=16,
        in_index=-2,
        num_classes=4,
        loss_decode=dict(type='mmseg.CrossEntropyLoss'),
    )
    inputs, _, samples = batch()
    assert 'aux.loss_ce' in build(auxiliary_head=head).loss(inputs, samples)
    with pytest.raises(ValueError, match='scales'):
        build(scales=())
