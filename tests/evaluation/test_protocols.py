"""Named protocols."""

from pathlib import Path

import pytest
import torch

from mmwsss.evaluation import CAMMetric, SegMetric, TagMetric, WSOLMetric
from mmwsss.evaluation.protocols import (
    DATA,
    PROTOCOLS,
    SECOND_NUMBER,
    TASKS,
    describe,
    find_protocol,
    metric_options,
    protocol_label,
)
from mmwsss.functional.fusion import ScoreFusion
from mmwsss.functional.thresholds import OFFICIAL_THRESHOLDS
from mmwsss.models.refiners import DenseCRF

METRICS = {'cam': CAMMetric, 'mask': SegMetric, 'seg': SegMetric, 'wsol': WSOLMetric}


@pytest.mark.parametrize('name', PROTOCOLS)
def test_every_protocol_builds_its_metric(name):
    protocol = find_protocol(name)
    title, classes, splits = DATA[protocol.data]
    assert (
        protocol.task in TASKS and protocol.split in splits and protocol.source and protocol.paper
    )
    metric = METRICS[protocol.task](**metric_options(name))
    assert metric.protocol_name == name
    if protocol.task == 'seg':
        ScoreFusion(protocol.fusion)
        assert metric.use_image_tags == (protocol.tags == SECOND_NUMBER)
    if protocol.crf:
        DenseCRF(protocol.crf)
    assert protocol.data in name and (name.endswith(protocol.split) or f'{protocol.split}-' in name)
    assert protocol_label(name, protocol.split, splits[protocol.split], classes) == name
    assert title in describe(name)


def test_settings_of_the_papers():
    """A sample of the published protocols, number by number."""
    plus = PROTOCOLS['mctformer-plus-voc-train-cam']
    assert plus.threshold_values == OFFICIAL_THRESHOLDS and (plus.rule, plus.mean, plus.scales) == (
        'greedy',
        'all',
        (1, 0.75, 1.25),
    )
    acr = PROTOCOLS['acr-voc-train-cam']
    assert (len(acr.threshold_values), acr.threshold_values[-1], acr.size, acr.rule) == (
        100,
        0.99,
        (384, 384),
        'best',
    )
    mcc = PROTOCOLS['mcc-voc-val']
    assert (mcc.scales, mcc.flip, mcc.size, mcc.fusion, mcc.crf, mcc.mean) == (
        (1, 1.5, 1.25),
        True,
        None,
        'max_of_flip_sums',
        'toco_test',
        'present',
    )
    assert PROTOCOLS['mcc-coco-val'].fusion == 'sum_of_flip_maxima' and PROTOCOLS[
        'mcc-coco-val'
    ].size == (448, 448)
    cosa = PROTOCOLS['cosa-voc-val-crf']
    assert (len(cosa.scales), cosa.size, cosa.crf, cosa.tags) == (
        5,
        (448, 448),
        'cosa_test',
        SECOND_NUMBER,
    )
    seg = PROTOCOLS['mctformer-voc-val']
    assert (seg.scales, seg.flip, seg.fusion, seg.crf) == (
        (0.5, 0.75, 1, 1.25, 1.5),
        False,
        'max_softmax',
        'mct_test',
    )
    coco = PROTOCOLS['mctformer-coco-val']
    assert coco == seg._replace(data='coco', paper=coco.paper)
    assert (
        PROTOCOLS['seam-voc-val'].fusion == 'mean_logits'
        and len(PROTOCOLS['seam-voc-val'].scales) == 6
    )
    seeds, voc = PROTOCOLS['mctformer-coco-train-cam'], PROTOCOLS['mctformer-voc-train-cam']
    assert seeds == voc._replace(data='coco', paper=seeds.paper, source=seeds.source) and (
        seeds.scales,
        seeds.flip,
    ) == ((1,), True)
    assert PROTOCOLS['irn-voc-train-cam'].threshold_values == (0.15,)


def test_labels_tell_other_data():
    assert protocol_label(None) == protocol_label(None, 'val', 3, 9) == 'custom'
    assert protocol_label('my-own', 'val', 3, 9) == 'my-own'
    label = protocol_label('mcc-voc-val', 'test', 60, 9)
    assert (
        label
        == 'mcc-voc-val (its rules; data: test (60 images) instead of PASCAL VOC 2012 val, 1,449 '
        'images)'
    )
    assert protocol_label('mcc-voc-val', num_images=1448, num_classes=21) != 'mcc-voc-val'
    assert protocol_label('mcc-voc-val', 'val', 1449, 21) == 'mcc-voc-val'
    with pytest.raises(ValueError, match="'mcc' is unknown; protocols: mctformer-voc-train-cam"):
        find_protocol('mcc')


def test_descriptions():
    assert describe('mcc-voc-val') == (
        'PASCAL VOC 2012 val; original size; scales 1, 1.5, 1.25 with flip; fusion '
        'max_of_flip_sums; CRF '
        'toco_test; mean over present classes; tags not used'
    )
    assert describe('acr-voc-train-cam') == (
        'PASCAL VOC 2012 train; resized to 384 x 384; scales 1 with flip; threshold best of 100 '
        'from 0; mean over all classes; tags ground truth'
    )
    assert (
        describe('openimages-wsol-test')
        == 'OpenImages-WSOL test; size and scales as in the config; tags ground truth'
    )


def sample(labels):
    labels = torch.tensor([[labels]])
    return dict(
        img_id='a',
        img_path='a.jpg',
        pred_sem_seg=dict(data=labels),
        gt_sem_seg=dict(data=labels),
        pred_scores=torch.tensor([0.9, 0.1]),
        gt_tags=torch.tensor([1.0, 0.0]),
        pred_cams=dict(data=torch.rand(1, 1, labels.shape[-1])),
        cam_keys=(0,),
    )


@pytest.mark.parametrize(
    'name, label',
    [
        (None, 'custom'),
        ('mcc-voc-val', 'mcc-voc-val (its rules; data: val (1 images)'),
        ('mine', 'mine'),
    ],
)
@pytest.mark.parametrize('kind', [CAMMetric, SegMetric, TagMetric])
def test_every_metric_prints_its_protocol(kind, name, label, monkeypatch):
    messages = []
    for module in ('counter_metric', 'tag_metric'):
        monkeypatch.setattr(
            f'mmwsss.evaluation.{module}.print_log', lambda message, **_: messages.append(message)
        )
    metric = kind(protocol=name)
    metric.dataset_meta = dict(classes=('background', 'a', 'b'), split='val')
    metric.process(None, [sample([0, 1, 1])])
    metric.evaluate(1)
    assert (
        f'protocol: {label}' in messages[-1]
        and metric.protocol['name'].startswith(label)
        and metric.protocol['split'] == 'val'
    )


def test_tag_filtered_labels_of_a_crf_are_taken():
    """Labels that a loop refined with the tags are the second number."""
    metric = SegMetric(use_image_tags=True, protocol='cosa-voc-val-crf')
    metric.dataset_meta = dict(classes=('background', 'a', 'b'), split='val')
    filtered = dict(
        sample([0, 1, 2]),
        pred_sem_seg=dict(data=torch.tensor([[[0, 0, 0]]])),
        pred_sem_seg_image_tags=dict(data=torch.tensor([[[0, 1, 2]]])),
    )
    metric.process(None, [filtered])
    results = metric.evaluate(1)
    assert results['seg/mIoU_image_tags'] == 100 and results['seg/mIoU'] < 50


def test_the_guide_lists_every_protocol():
    guide = (Path(__file__).parents[2] / 'docs' / 'user_guides' / 'protocols.md').read_text(
        encoding='utf-8'
    )
    rows = {
        line.split('`')[1]: line
        for line in guide.splitlines()
        if line.startswith('| `') and line.count('|') == 9
    }
    assert list(rows) == list(PROTOCOLS)
    for name, protocol in PROTOCOLS.items():
        assert (
            f'{DATA[protocol.data][0]} {protocol.split}' in rows[name]
            and f' {protocol.tags} |' in rows[name]
        ), name
        assert protocol.crf is None or f'`{protocol.crf}`' in rows[name]
        assert (
            ', '.join(f'{scale:g}' for scale in protocol.scales) in rows[name]
            or protocol.task == 'mask'
        )
        size = (
            '-'
            if protocol.task == 'mask'
            else 'as in the config'
            if not protocol.scales
            else 'original'
            if protocol.size is None
            else f'{protocol.size[0]}x{protocol.size[1]}'
        )
        assert rows[name].split('|')[5].strip() == size, name
        assert (
            not protocol.fusion or len(protocol.scales) == 1 or f'`{protocol.fusion}`' in rows[name]
        ), name
