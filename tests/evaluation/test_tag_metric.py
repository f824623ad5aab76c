import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from mmwsss.evaluation import TagMetric

from .data import evaluate, random_sample

SAMPLES = [random_sample(index) for index in range(12)]


def test_against_scikit_learn():
    scores = np.stack([sample.pred_scores.numpy() for sample in SAMPLES])
    tags = np.stack([sample.gt_tags.numpy() for sample in SAMPLES])
    results = evaluate(TagMetric(), SAMPLES)
    present, tagged = tags.any(0), tags.any(1)
    assert present.sum() == 5 and tagged.sum() == 9
    classes = average_precision_score(tags[:, present], scores[:, present], average=None)
    images = [
        average_precision_score(row, score) for row, score in zip(tags[tagged], scores[tagged])
    ]
    assert results['tags/mAP_present'] == pytest.approx(100 * classes.mean(), abs=1e-3)
    assert results['tags/mAP'] == pytest.approx(100 * classes.sum() / 6, abs=1e-3)
    assert results['tags/mAP_per_image'] == pytest.approx(100 * np.mean(images), abs=1e-3)


def test_perfect_scores():
    samples = [random_sample(index) for index in range(1, 4)]
    for sample in samples:
        sample.gt_tags[5] = 1
        sample.set_pred_scores(sample.gt_tags)
    results = evaluate(TagMetric(), samples)
    assert results.get('tags/mAP_present', results['tags/mAP']) == pytest.approx(100)
    assert results['tags/mAP_per_image'] == pytest.approx(100)


def test_no_tagged_image():
    assert evaluate(TagMetric(), [SAMPLES[0], SAMPLES[4]]) == {
        'tags/mAP': 0.0,
        'tags/F1_per_image': 0.0,
    }


def test_bad_samples():
    metric = TagMetric()
    with pytest.raises(ValueError, match='no pred_scores'):
        metric.process(None, [{}])
    with pytest.raises(ValueError, match=r'a.jpg: \(3,\) scores for \(2,\) tags'):
        metric.process(
            None, [{'img_path': 'a.jpg', 'pred_scores': torch.rand(3), 'gt_tags': torch.ones(2)}]
        )
    with pytest.raises(ValueError, match='no image'):
        metric.compute_metrics([])
