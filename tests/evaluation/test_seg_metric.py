import json

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.structures import SegDataSample
from PIL import Image

from mmwsss.evaluation import SegMetric
from mmwsss.utils.io import voc_palette

from .data import CLASSES, META, evaluate, random_sample

SAMPLES = [random_sample(index) for index in range(7)]


def naive_iou(predictions, labels, num_classes=7, ignored=None):
    """IoU per class, NaN for an empty union, and whether the class is labelled; pixel by pixel."""
    tp, p, t = np.zeros((3, num_classes), np.int64)
    for prediction, label in zip(predictions, labels):
        for a, b in zip(prediction.flatten().tolist(), label.flatten().tolist()):
            if b == 255 or (a == 255 and ignored == 'drop'):
                continue
            a = 0 if a == 255 else a
            p[a] += 1
            t[b] += 1
            tp[a] += a == b
    union = t + p - tp
    return np.where(union, tp / np.maximum(union, 1), np.nan), t > 0


def fields(samples):
    return [sample.pred_sem_seg.data[0] for sample in samples], [
        sample.gt_sem_seg.data[0] for sample in samples
    ]


def test_three_means_against_a_loop():
    iou, labelled = naive_iou(*fields(SAMPLES))
    expected = {
        'present': 100 * iou[labelled].mean(),
        'all': 100 * np.nan_to_num(iou).mean(),
        'union': 100 * np.nanmean(iou),
    }
    for mean, value in expected.items():
        results = evaluate(SegMetric(mean=mean), SAMPLES)
        assert results['seg/mIoU'] == pytest.approx(value)
        for other in set(expected) - {mean}:
            assert results.get(f'seg/mIoU_{other}', results['seg/mIoU']) == pytest.approx(
                expected[other]
            )
    # the last class is predicted but never labelled, so 'present' stands apart
    assert not labelled[6] and iou[6] == 0
    assert list(results['seg/IoU'].values()) == pytest.approx((100 * iou).tolist(), abs=1e-4)
    assert expected['present'] != expected['union'] == expected['all']


def test_means_are_not_repeated_when_all_classes_occur():
    samples = [random_sample(index, num_classes=4) for index in range(1, 5)]
    for sample in samples:
        sample.gt_sem_seg.data[0, 0, :4] = torch.arange(4)
    results = evaluate(SegMetric(), samples, meta={'classes': CLASSES[:4]})
    assert set(results) == {'seg/mIoU', 'seg/FP', 'seg/FN', 'seg/IoU'}
    assert results['seg/mIoU'] + results['seg/FP'] + results['seg/FN'] == pytest.approx(100)


@pytest.mark.parametrize('ignored', ['background', 'drop'])
def test_ignored_predictions(ignored):
    samples = [random_sample(index, predicted=255) for index in range(7)]
    predictions, labels = fields(samples)
    iou, labelled = naive_iou(predictions, labels, ignored=ignored)
    results = evaluate(SegMetric(ignored_prediction=ignored), samples)
    assert results['seg/mIoU'] == pytest.approx(100 * iou[labelled].mean())
    valid = torch.cat([prediction[label != 255] for prediction, label in zip(predictions, labels)])
    assert results['seg/coverage'] == pytest.approx(
        100 * float((valid != 255).float().mean()), abs=1e-4
    )


def test_image_tags_give_a_second_number():
    def filtered(sample):
        logits = sample.seg_logits.data.clone()
        logits[1:][sample.gt_tags == 0] = -1e5  # as CoSA
        return logits.argmax(0)

    predictions, labels = fields(SAMPLES)
    plain, labelled = naive_iou(predictions, labels)
    tagged, _ = naive_iou([filtered(sample) for sample in SAMPLES], labels)
    metric = SegMetric(use_image_tags=True, coexist_classes=('bird', 'car'))
    results = evaluate(metric, SAMPLES)
    assert results['seg/mIoU'] == pytest.approx(100 * plain[labelled].mean())
    assert results['seg/mIoU_image_tags'] == pytest.approx(100 * tagged[labelled].mean())
    assert results['seg/mIoU_image_tags'] > results['seg/mIoU']
    assert results['seg/mIoU_coexist'] == pytest.approx(100 * plain[[1, 4]].mean())
    assert results['seg/mIoU_coexist_image_tags'] == pytest.approx(100 * tagged[[1, 4]].mean())
    assert metric.protocol['use_image_tags'] is True and metric.protocol['coexist_classes'] == [
        'bird',
        'car',
    ]
    assert 'with image tags' in metric.table
    off = SegMetric()
    assert 'seg/mIoU_image_tags' not in evaluate(off, SAMPLES) and 'no image tags used' in off.table
    assert off.protocol['use_image_tags'] is False


def test_untagged_image_is_background_with_image_tags():
    sample = random_sample(0)
    results = evaluate(SegMetric(use_image_tags=True), [sample])
    assert sample.gt_tags.sum() == 0 and results['seg/mIoU_image_tags'] == 100 > results['seg/mIoU']


def test_plain_mmseg_samples_and_mmseg_itself():
    samples = []
    for ours in SAMPLES:
        sample = SegDataSample(metainfo={'img_path': ours.img_path})
        sample.gt_sem_seg = PixelData(data=ours.gt_sem_seg.data.byte())
        sample.pred_sem_seg = PixelData(data=ours.pred_sem_seg.data)
        samples.append(sample)
    ours, theirs = evaluate(SegMetric(mean='union'), samples), IoUMetric()
    theirs.dataset_meta = META
    theirs.process(None, [sample.to_dict() for sample in samples])
    # rounded to 2 decimals there
    assert ours['seg/mIoU'] == pytest.approx(theirs.evaluate(len(samples))['mIoU'], abs=0.006)


def test_masks_are_written_with_the_palette(tmp_path):
    plain = evaluate(SegMetric(), SAMPLES)
    assert evaluate(SegMetric(output_dir=str(tmp_path / 'a')), SAMPLES) == plain
    unlabelled = [random_sample(index) for index in range(7)]
    for sample in unlabelled:
        del sample.gt_sem_seg
    assert evaluate(SegMetric(format_only=True, output_dir=str(tmp_path / 'b')), unlabelled) == {}
    for folder in 'ab':
        for sample in SAMPLES:
            with Image.open(tmp_path / folder / f'{sample.img_id}.png') as image:
                assert image.mode == 'P' and image.getpalette() == voc_palette().flatten().tolist()
                assert np.array_equal(np.array(image), sample.pred_sem_seg.data[0].numpy())
    with pytest.raises(ValueError, match='output_dir'):
        SegMetric(format_only=True)


def test_file_name_comes_from_the_path_where_there_is_no_id(tmp_path):
    sample = SegDataSample(metainfo={'img_path': 'folder/2007_000032.jpg'})
    sample.pred_sem_seg = PixelData(data=torch.zeros(1, 3, 4, dtype=torch.int64))
    evaluate(SegMetric(format_only=True, output_dir=str(tmp_path)), [sample])
    assert [path.name for path in tmp_path.iterdir()] == ['2007_000032.png']


def test_out_file(tmp_path):
    metric = SegMetric(out_file=tmp_path / 'metrics.json', prefix='mask')
    results = evaluate(metric, SAMPLES)
    assert json.loads((tmp_path / 'metrics.json').read_text()) == dict(
        results, protocol=metric.protocol, curve={}
    )


@pytest.mark.parametrize(
    'change,message',
    [
        ({'pred_sem_seg': {'data': torch.zeros(1, 2, 2)}}, 'differ in size'),
        ({'pred_sem_seg': None}, 'no pred_sem_seg'),
        ({'gt_sem_seg': None}, 'no gt_sem_seg'),
        ({'seg_logits': None}, 'no seg_logits'),
        ({'gt_tags': None}, 'no gt_tags'),
        ({'gt_tags': torch.ones(3)}, '7 score planes and 3 tags do not fit 7 classes'),
    ],
)
def test_bad_samples_name_the_image(change, message):
    metric = SegMetric(use_image_tags=True)
    metric.dataset_meta = META
    sample = {
        name: value
        for name, value in dict(SAMPLES[1].to_dict(), **change).items()
        if value is not None
    }
    with pytest.raises(ValueError, match=f'images/image1.jpg: .*{message}'):
        metric.process(None, [sample])


def test_unknown_options():
    with pytest.raises(ValueError, match='keep'):
        SegMetric(ignored_prediction='keep')
    metric = SegMetric(coexist_classes=['unicorn'])
    metric.dataset_meta = META
    with pytest.raises(ValueError, match='unicorn'):
        metric.process(None, [SAMPLES[0].to_dict()])
