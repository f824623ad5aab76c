"""Fusion rules of multi-scale testing, against the formulas on explicit stacks."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn

from mmwsss.models.segmentors import FusionTTAModel


class Network(nn.Module):
    def test_step(self, data):
        return data


def views(logits, shapes):
    samples = []
    for scores, shape in zip(logits, shapes):
        sample = SegDataSample(metainfo=dict(img_path='a.jpg', img_shape=shape))
        sample.seg_logits = PixelData(data=scores)
        samples.append(sample)
    return samples


@pytest.mark.parametrize(
    'rule',
    [
        'max_softmax',
        'mean_softmax',
        'sum_logits',
        'mean_logits',
        'max_of_flip_sums',
        'sum_of_flip_maxima',
    ],
)
def test_rules(rule):
    scales, flips = 3, 2
    logits = torch.randn(scales, flips, 4, 5, 6)
    expected = dict(
        max_softmax=logits.softmax(2).flatten(0, 1).amax(0),
        mean_softmax=logits.softmax(2).flatten(0, 1).mean(0),
        sum_logits=logits.flatten(0, 1).sum(0),
        mean_logits=logits.flatten(0, 1).mean(0),
        max_of_flip_sums=logits.sum(1).amax(0),
        sum_of_flip_maxima=logits.amax(1).sum(0),
    )[rule]
    # the order of TestTimeAug: every scale with its flips
    shapes = [(10 * scale, 12 * scale) for scale in range(1, scales + 1) for _ in range(flips)]
    model = FusionTTAModel(Network(), rule=rule)
    (fused,) = model.merge_preds([views(logits.flatten(0, 1), shapes)])
    scores = fused.seg_logits.data.exp() if rule.endswith('softmax') else fused.seg_logits.data
    torch.testing.assert_close(scores, expected)
    assert torch.equal(fused.pred_sem_seg.data[0], expected.argmax(0))
    assert fused.img_path == 'a.jpg'


def test_unknown_rule():
    with pytest.raises(ValueError, match='rule must be one of'):
        FusionTTAModel(Network(), rule='median')
