import numpy as np
import pytest
import torch

from mmwsss.functional.confusion import (
    class_areas,
    class_iou,
    confusion_matrix,
    false_rates,
    iou_variants,
    resolve_ignored,
)
from mmwsss.functional.thresholds import (
    OFFICIAL_THRESHOLDS,
    areas_from_counts,
    curves_from_counts,
    labels_at_threshold,
    make_thresholds,
    select_threshold,
    sweep_counts,
)


def random_image(rng, num_classes, num_keys, size, levels=None, ignore=0.1):
    """CAMs, keys in random order and labels; ``levels`` quantises scores to multiples of 0.05 so
    that ties abound.
    """
    keys = rng.permutation(num_classes - 1)[:num_keys].tolist()
    cams = rng.random((num_keys, *size), dtype=np.float32)
    if levels:
        cams = (np.floor(cams * levels) * 5 / 100).astype(np.float32)
    gt = rng.choice([0, *(key + 1 for key in keys), int(rng.integers(num_classes))], size)
    gt[rng.random(size) < ignore] = 255
    return torch.from_numpy(cams), keys, torch.from_numpy(gt)


def brute_force_labels(cams, keys, threshold, num_classes):
    """All score planes, argmax with ties to the lower index."""
    planes = np.zeros((num_classes, *cams.shape[1:]), np.float32)
    planes[0] = np.float32(threshold)
    for key, cam in zip(keys, cams.numpy()):
        planes[key + 1] = cam
    return torch.from_numpy(planes.argmax(0))


CASES = {
    'plain': {'num_classes': 21, 'num_keys': 3, 'size': (13, 17)},
    'ties': {'num_classes': 21, 'num_keys': 4, 'size': (20, 11), 'levels': 12},
    'one class': {'num_classes': 2, 'num_keys': 1, 'size': (8, 9), 'levels': 12},
    'no tags': {'num_classes': 6, 'num_keys': 0, 'size': (5, 4)},
    '80 classes': {'num_classes': 81, 'num_keys': 80, 'size': (16, 5), 'levels': 12},
    'one pixel': {'num_classes': 4, 'num_keys': 2, 'size': (1, 1)},
    'all ignored': {'num_classes': 4, 'num_keys': 2, 'size': (3, 3), 'ignore': 1.1},
    'half zero': {'num_classes': 5, 'num_keys': 3, 'size': (12, 12), 'levels': 2},
}


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize(
    'thresholds',
    [OFFICIAL_THRESHOLDS, (0.3,), (0.0, 0.05, 0.5, 2.0)],
    ids=['official', 'one', 'few'],
)
def test_sweep_equals_brute_force(name, thresholds):
    case, rng = CASES[name], np.random.default_rng(len(name))
    num_classes = case['num_classes']
    counts, confusion = 0, [0] * len(thresholds)
    for _ in range(3):
        cams, keys, gt = random_image(rng, **case)
        counts = counts + sweep_counts(cams, keys, gt, thresholds, num_classes)
        for index, threshold in enumerate(thresholds):
            labels = brute_force_labels(cams, keys, threshold, num_classes)
            assert torch.equal(labels_at_threshold(cams, keys, threshold).long(), labels)
            confusion[index] = confusion[index] + confusion_matrix(labels, gt, num_classes)
    assert counts.dtype == torch.int64 and counts.shape == (
        3 * num_classes - 2,
        len(thresholds) + 1,
    )
    areas = areas_from_counts(counts)
    curves = {mean: curves_from_counts(counts, mean) for mean in ('all', 'present', 'union')}
    for index, matrix in enumerate(confusion):
        expected = class_areas(resolve_ignored(matrix))
        for ours, reference in zip(areas, expected):
            assert torch.equal(ours[index], reference)
        for mean, curve in curves.items():
            assert torch.equal(curve.iou[index], class_iou(expected))
            assert float(curve.miou[index]) == pytest.approx(
                float(iou_variants(expected)[mean]), abs=1e-12
            )
            assert float(curve.false_positive[index]) == pytest.approx(
                float(false_rates(expected, mean=mean).positive), abs=1e-12
            )
            assert float(curve.false_negative[index]) == pytest.approx(
                float(false_rates(expected, mean=mean).negative), abs=1e-12
            )


def test_a_score_equal_to_the_threshold_is_background():
    cams = torch.tensor([[[0.3, np.nextafter(np.float32(0.3), np.float32(1)), 0.0]]])
    gt = torch.ones(1, 3, dtype=torch.int64)
    areas = areas_from_counts(sweep_counts(cams, [0], gt, [0.0, 0.3], 2))
    assert areas.predicted.tolist() == [[1, 2], [2, 1]]
    assert labels_at_threshold(cams, [0], 0.3).tolist() == [[0, 1, 0]]


def test_equal_scores_go_to_the_lowest_class_whatever_the_order_of_planes():
    cams = torch.full((2, 1, 2), 0.5)
    for keys in ([4, 2], [2, 4]):
        assert labels_at_threshold(cams, keys, 0.1).tolist() == [[3, 3]]
        assert areas_from_counts(sweep_counts(cams, keys, torch.zeros(1, 2), [0.1], 6)).predicted[
            0
        ].tolist() == [0, 0, 0, 2, 0, 0]


def test_half_precision_cams_and_byte_labels():
    rng = np.random.default_rng(0)
    cams, keys, gt = random_image(rng, 8, 3, (10, 10))
    half = sweep_counts(cams.half(), keys, gt.byte(), OFFICIAL_THRESHOLDS, 8)
    assert torch.equal(
        half, sweep_counts(cams.half().float(), keys, gt, make_thresholds(OFFICIAL_THRESHOLDS), 8)
    )


@pytest.mark.parametrize(
    'change,message',
    [
        ({'cams': torch.full((1, 2, 2), -0.1)}, 'must be >= 0, found -0.1'),
        ({'cams': torch.full((1, 2, 2), float('nan'))}, 'must be >= 0, found nan'),
        ({'keys': [0, 1]}, '1 CAMs need as many different keys'),
        ({'cams': torch.rand(2, 2, 2), 'keys': [1, 1]}, 'different keys'),
        ({'keys': [3]}, r'keys \[3\] are not all foreground classes 0..2'),
        ({'keys': [-1]}, 'foreground classes'),
        ({'gt': torch.zeros(2, 3)}, 'do not fit'),
        ({'gt': torch.full((2, 2), 4)}, 'ground truth has class id 4, outside 0..3'),
        ({'gt': torch.full((2, 2), -1)}, 'ground truth has class id -1'),
        ({'thresholds': [-0.1, 0.5]}, '>= 0'),
        ({'thresholds': [0.5, 0.5]}, 'ascend'),
        ({'thresholds': []}, 'at least one'),
        ({'thresholds': [float('nan')]}, 'finite'),
    ],
)
def test_refused_input(change, message):
    arguments = {
        'cams': torch.rand(1, 2, 2),
        'keys': [0],
        'gt': torch.zeros(2, 2),
        'thresholds': [0.1],
        'num_classes': 4,
    }
    with pytest.raises(ValueError, match=message):
        sweep_counts(**dict(arguments, **change))


def test_rules():
    thresholds = make_thresholds([0.0, 0.1, 0.2, 0.3, 0.4])
    curve = torch.tensor([0.2, 0.3, 0.3, 0.5, 0.5])
    assert select_threshold(curve, 'best') == 3  # the lowest of equals
    assert select_threshold(curve, 'greedy') == 1  # a plateau ends it
    assert select_threshold(curve, 0.2, thresholds) == 2
    assert select_threshold(torch.tensor([0.1, 0.2, 0.3]), 'greedy') == 2
    assert select_threshold(torch.tensor([0.0, 0.0, 0.3]), 'greedy') == 0
    assert select_threshold(torch.tensor([0.1]), 'greedy') == 0
    with pytest.raises(ValueError, match='0.25 is not part'):
        select_threshold(curve, 0.25, thresholds)
    with pytest.raises(ValueError, match='worst'):
        select_threshold(curve, 'worst')


def test_greedy_stops_on_the_plateau_of_quantised_maps():
    rng = np.random.default_rng(3)
    gt = torch.from_numpy(rng.integers(0, 2, (40, 40)))
    # multiples of 1/8
    cams = ((gt * 3 + torch.from_numpy(rng.integers(0, 3, (40, 40)))) / 8).float()[None]
    miou = curves_from_counts(sweep_counts(cams, [0], gt, OFFICIAL_THRESHOLDS, 2)).miou
    assert select_threshold(miou, 'greedy') == 0  # 0.00 and 0.01 give the same labels
    assert OFFICIAL_THRESHOLDS[select_threshold(miou, 'best')] == 0.25


def test_labels_without_classes():
    labels = labels_at_threshold(torch.zeros(0, 3, 4), (), 0.3)
    assert labels.shape == (3, 4) and labels.dtype == torch.uint8 and not labels.any()
