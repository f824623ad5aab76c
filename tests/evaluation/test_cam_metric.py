import json

import pytest
import torch
from mmengine.evaluator import Evaluator

import mmwsss.evaluation  # noqa: F401
from mmwsss.evaluation import CAMMetric
from mmwsss.functional.confusion import (
    class_areas,
    class_iou,
    confusion_matrix,
    false_rates,
    iou_variants,
    resolve_ignored,
)
from mmwsss.functional.thresholds import OFFICIAL_THRESHOLDS, labels_at_threshold

from .data import CLASSES, META, evaluate, random_sample

SAMPLES = [random_sample(index) for index in range(7)]


def areas_of(predict, samples=SAMPLES):
    """Areas over samples, each predicted by ``predict(sample)``."""
    total = sum(
        confusion_matrix(predict(sample), sample.gt_sem_seg.data[0], len(CLASSES))
        for sample in samples
    )
    return class_areas(resolve_ignored(total))


def at(threshold):
    return lambda sample: labels_at_threshold(sample.pred_cams.data, sample.cam_keys, threshold)


def test_results_equal_a_sweep_over_label_maps(tmp_path):
    metric = CAMMetric(out_file=str(tmp_path / 'new' / 'cam.json'))
    results = evaluate(metric, SAMPLES)
    areas = [areas_of(at(threshold)) for threshold in OFFICIAL_THRESHOLDS]
    curve = [100 * float(iou_variants(one)['all']) for one in areas]
    best = max(range(60), key=lambda index: (curve[index], -index))
    assert results['cam/mIoU'] == pytest.approx(curve[best], abs=1e-9)
    assert results['cam/best_threshold'] == OFFICIAL_THRESHOLDS[best]
    assert metric.curve['thresholds'] == list(OFFICIAL_THRESHOLDS)
    assert metric.curve['mIoU'] == pytest.approx(curve, abs=1e-9)
    assert results['cam/FP'] == pytest.approx(100 * float(false_rates(areas[best]).positive))
    assert (
        results['cam/FN']
        == pytest.approx(metric.curve['FN'][best])
        == pytest.approx(100 * float(false_rates(areas[best]).negative))
    )
    assert (
        results['cam/mIoU_present']
        == results['cam/mIoU_union']
        == pytest.approx(100 * float(iou_variants(areas[best])['present']))
    )
    assert list(results['cam/IoU']) == list(CLASSES)
    assert list(results['cam/IoU'].values()) == pytest.approx(
        (100 * class_iou(areas[best])).tolist(), abs=1e-4
    )
    assert metric.curve['IoU']['bird'][best] == pytest.approx(results['cam/IoU']['bird'], abs=1e-4)
    assert metric.protocol == {
        'name': 'custom',
        'split': 'val',
        'num_classes': 7,
        'absent_classes': ['cow'],
        'mean': 'all',
        'rates': 'mctformer',
        'rule': 'best',
        'threshold': OFFICIAL_THRESHOLDS[best],
        'thresholds': [0.0, 0.59],
        'num_thresholds': 60,
        'tags': 'ground truth',
    }
    stored = json.loads((tmp_path / 'new' / 'cam.json').read_text())
    assert stored == dict(results, protocol=metric.protocol, curve=metric.curve)
    assert f'threshold {OFFICIAL_THRESHOLDS[best]:g} (best of 60 thresholds' in metric.table
    assert '| cow        |     - |     - |     - |' in metric.table


def test_chance_levels():
    results = evaluate(CAMMetric(), SAMPLES)
    size = [sample.gt_sem_seg.shape for sample in SAMPLES]
    background = areas_of(lambda sample: torch.zeros(sample.gt_sem_seg.shape, dtype=torch.int64))
    painted = areas_of(
        lambda sample: torch.full(
            sample.gt_sem_seg.shape, sample.cam_keys[0] + 1 if sample.cam_keys else 0
        )
    )
    assert len(set(size)) > 1
    assert results['cam/all_background_mIoU'] == pytest.approx(
        100 * float(iou_variants(background)['all'])
    )
    assert results['cam/painted_tags_mIoU'] == pytest.approx(
        100 * float(iou_variants(painted)['all'])
    )


def test_rules():
    greedy, fixed, extra = (
        CAMMetric(rule='greedy'),
        CAMMetric(rule=0.3),
        CAMMetric([0.1, 0.2], rule=0.15),
    )
    # scores are multiples of 0.05: a plateau at once
    assert evaluate(greedy, SAMPLES)['cam/best_threshold'] == 0.0
    assert greedy.protocol['rule'] == 'greedy' and 'greedy rule' in greedy.table
    results = evaluate(fixed, SAMPLES)
    assert (
        results['cam/best_threshold'] == 0.3
        and len(fixed.curve['mIoU']) == 60
        and fixed.protocol['rule'] == 0.3
    )
    assert results['cam/mIoU'] == pytest.approx(100 * float(iou_variants(areas_of(at(0.3)))['all']))
    results = evaluate(extra, SAMPLES)
    assert extra.curve['thresholds'] == [0.1, 0.15, 0.2] and results['cam/best_threshold'] == 0.15
    for arguments in (
        {'rule': 'local'},
        {'thresholds': [-1.0]},
        {'mean': 'most'},
        {'rates': 'psa'},
    ):
        metric = None
        with pytest.raises(ValueError, match='local|>= 0|most|psa'):
            metric = CAMMetric(**arguments)
        assert metric is None


def test_mean_and_rates():
    present, irn = CAMMetric(mean='present'), CAMMetric(rates='irn')
    results = evaluate(present, SAMPLES)
    assert results['cam/mIoU_all'] == pytest.approx(results['cam/mIoU'] * 6 / 7)
    assert results['cam/mIoU'] + results['cam/FP'] + results['cam/FN'] == pytest.approx(100)
    assert 'cam/FP_background' in evaluate(irn, SAMPLES)


def test_images_without_tags_only():
    results = evaluate(CAMMetric(), [SAMPLES[0], SAMPLES[4]])
    assert SAMPLES[0].cam_keys == SAMPLES[4].cam_keys == ()
    assert results['cam/mIoU_present'] == 100 and results['cam/mIoU'] == pytest.approx(100 / 7)
    assert results['cam/best_threshold'] == 0


def test_a_second_evaluation_starts_from_zero():
    metric = CAMMetric()
    first = evaluate(metric, SAMPLES)
    assert evaluate(metric, SAMPLES) == first


def test_predicted_tags_are_named():
    sample = random_sample(3)
    sample.set_pred_cams([0], sample.pred_cams.data[:1])
    metric = CAMMetric()
    evaluate(metric, [random_sample(1), sample])
    assert metric.protocol['tags'] == 'predicted'
    del sample.gt_tags
    evaluate(metric, [sample])
    assert metric.protocol['tags'] == 'those of the CAMs'


def test_image_count_is_asserted():
    with pytest.raises(ValueError, match='counted 7 images of 6.*sampler.round_up=False'):
        evaluate(CAMMetric(), SAMPLES, size=6)
    with pytest.raises(ValueError, match='counted 7 images of 8'):
        evaluate(CAMMetric(), SAMPLES, size=8)


def test_bad_samples_name_the_image():
    metric = CAMMetric()
    with pytest.raises(ValueError, match=r"dataset_meta\['classes'\]"):
        metric.process(None, [SAMPLES[1].to_dict()])
    metric.dataset_meta = META
    good = SAMPLES[1].to_dict()
    for change, message in (
        ({'gt_sem_seg': {'data': torch.zeros(1, 2, 2)}}, 'do not fit'),
        ({'pred_cams': {'data': -good['pred_cams']['data'] - 1}}, 'must be >= 0'),
        ({'cam_keys': (6,)}, 'foreground classes 0..5'),
    ):
        with pytest.raises(ValueError, match=f'images/image1.jpg: .*{message}'):
            metric.process(None, [dict(good, **change)])
    for missing in ('pred_cams', 'gt_sem_seg', 'cam_keys'):
        with pytest.raises(ValueError, match=f'image1.jpg: the sample has no {missing}'):
            metric.process(None, [{name: value for name, value in good.items() if name != missing}])
    assert not metric.counters.any()


def test_built_from_a_config():
    evaluator = Evaluator(
        [
            {'type': 'mmwsss.CAMMetric', 'prefix': 'seed'},
            {'type': 'mmwsss.SegMetric'},
            {'type': 'mmwsss.TagMetric'},
        ]
    )
    evaluator.dataset_meta = META
    evaluator.process(SAMPLES)
    results = evaluator.evaluate(len(SAMPLES))
    assert {'seed/mIoU', 'seg/mIoU', 'tags/mAP'} <= set(results)


def test_merge_equals_one_process():
    whole, parts = CAMMetric(), [CAMMetric(), CAMMetric(), CAMMetric()]
    expected = evaluate(whole, SAMPLES)
    for rank, part in enumerate(parts):
        part.dataset_meta = META
        part.process(None, [sample.to_dict() for sample in SAMPLES[rank + 1 :: 3]])
    parts[0].process(None, [SAMPLES[0].to_dict()])
    parts[0].merge(parts[1].counters)
    parts[0].merge(parts[2].counters.numpy())
    assert parts[0].evaluate(len(SAMPLES)) == expected
