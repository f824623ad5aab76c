import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric

from mmwsss.functional.confusion import (
    ClassAreas,
    class_areas,
    class_iou,
    confusion_matrix,
    false_rates,
    iou_variants,
    mean_over_classes,
    resolve_ignored,
)


def random_maps(num_classes=5, size=(9, 7), ignore_pred=True, seed=0):
    rng = np.random.default_rng(seed)
    values = np.array([*range(num_classes), 255])
    gt = rng.choice(values, size)
    pred = rng.choice(values if ignore_pred else values[:-1], size)
    return torch.from_numpy(pred), torch.from_numpy(gt)


def naive_confusion(pred, gt, num_classes):
    counts = torch.zeros(num_classes, num_classes + 1, dtype=torch.int64)
    for p, g in zip(pred.flatten().tolist(), gt.flatten().tolist()):
        if g != 255:
            counts[g, num_classes if p == 255 else p] += 1
    return counts


@pytest.mark.parametrize('num_classes,size', [(2, (1, 1)), (5, (9, 7)), (81, (20, 31))])
@pytest.mark.parametrize('dtype', [torch.uint8, torch.int64, torch.int32])
def test_confusion_equals_a_loop(num_classes, size, dtype):
    pred, gt = random_maps(num_classes, size)
    result = confusion_matrix(pred.to(dtype), gt.to(dtype), num_classes)
    assert result.dtype == torch.int64
    assert torch.equal(result, naive_confusion(pred, gt, num_classes))


def test_confusion_with_another_ignore_index():
    pred, gt = torch.tensor([0, 1, 1, -1]), torch.tensor([0, -1, 0, 1])
    assert confusion_matrix(pred, gt, 2, ignore_index=-1).tolist() == [[1, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    'pred,gt,message',
    [
        ([[3]], [[0]], 'prediction has class id 3, outside 0..2'),
        ([[0]], [[7]], 'ground truth has class id 7'),
        ([[0]], [[-2]], 'ground truth has class id -2'),
        ([[0, 1]], [[0]], 'differ in size'),
    ],
)
def test_confusion_refuses(pred, gt, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(torch.tensor(pred), torch.tensor(gt), 3)


def test_all_ignored_gives_zeros():
    areas = class_areas(
        resolve_ignored(confusion_matrix(torch.zeros(2, 2), torch.full((2, 2), 255), 3))
    )
    assert {name: float(value) for name, value in iou_variants(areas).items()} == {
        'all': 0,
        'present': 0,
        'union': 0,
    }
    assert float(false_rates(areas).positive) == 0


def test_resolve_ignored():
    confusion = torch.tensor([[4, 1, 2], [3, 5, 6]])
    assert resolve_ignored(confusion).tolist() == [[6, 1], [9, 5]]
    assert resolve_ignored(confusion, 'drop').tolist() == [[4, 1], [3, 5]]
    assert confusion.tolist() == [[4, 1, 2], [3, 5, 6]]
    with pytest.raises(ValueError, match='keep'):
        resolve_ignored(confusion, 'keep')


def test_three_means_by_hand():
    # class 1: only predicted; class 2: only labelled; class 3: in neither
    confusion = torch.zeros(4, 4, dtype=torch.int64)
    confusion[0, 0], confusion[0, 1], confusion[2, 0] = 6, 2, 2
    areas = class_areas(confusion)
    assert class_iou(areas).tolist() == [0.6, 0, 0, 0]
    variants = iou_variants(areas)
    assert float(variants['all']) == pytest.approx(0.15)
    assert float(variants['present']) == pytest.approx(0.3)
    assert float(variants['union']) == pytest.approx(0.2)
    with pytest.raises(ValueError, match='median'):
        mean_over_classes(class_iou(areas), areas, 'median')


def test_union_mean_is_that_of_mmseg():
    pred, gt = random_maps(6, ignore_pred=False)
    pred[pred == 4], gt[gt == 4], gt[gt == 5] = 0, 0, 0
    expected = IoUMetric.total_area_to_metrics(*IoUMetric.intersect_and_union(pred, gt, 6, 255))
    areas = class_areas(resolve_ignored(confusion_matrix(pred, gt, 6)))
    assert float(iou_variants(areas)['union']) == pytest.approx(
        float(np.nanmean(expected['IoU'])), abs=1e-6
    )


def test_false_rates_by_a_loop():
    pred, gt = random_maps(5, (11, 13), ignore_pred=False)
    gt[gt == 3] = 0
    confusion = confusion_matrix(pred, gt, 5)
    areas = class_areas(resolve_ignored(confusion))
    fp, fn, ratio = [], [], []
    for c in range(5):
        valid = gt != 255
        tp = int(((pred == c) & (gt == c)).sum())
        p, t = int(((pred == c) & valid).sum()), int((gt == c).sum())
        fp.append((p - tp) / (t + p - tp))
        fn.append((t - tp) / (t + p - tp))
        ratio.append(((p - tp) / tp, (t - tp) / tp) if tp else None)
    ours = false_rates(areas)
    assert ours.class_positive.tolist() == pytest.approx(
        fp
    ) and ours.class_negative.tolist() == pytest.approx(fn)
    assert float(ours.positive) == pytest.approx(np.mean(fp)) and float(
        ours.negative
    ) == pytest.approx(np.mean(fn))
    assert float(ours.positive + ours.negative + iou_variants(areas)['all']) == pytest.approx(1)
    for mean in ('present', 'union'):
        rates = false_rates(areas, 'mctformer', mean)
        assert float(rates.positive + rates.negative + iou_variants(areas)[mean]) == pytest.approx(
            1
        )
    irn = false_rates(areas, 'irn')
    assert float(irn.positive) == pytest.approx(np.mean(fp[1:])) and float(
        irn.class_positive[0]
    ) == pytest.approx(fp[0])
    seam = false_rates(areas, 'seam')
    hits = [value for value in ratio[1:] if value]
    assert len(hits) == 3
    assert (float(seam.positive), float(seam.negative)) == pytest.approx(tuple(np.mean(hits, 0)))
    with pytest.raises(ValueError, match='paper'):
        false_rates(areas, 'paper')


def test_leading_dimensions():
    areas = [
        class_areas(resolve_ignored(confusion_matrix(*random_maps(seed=seed), 5)))
        for seed in range(3)
    ]
    stacked = ClassAreas(*(torch.stack(column) for column in zip(*areas)))
    for mean in ('all', 'present', 'union'):
        expected = torch.stack([iou_variants(one)[mean] for one in areas])
        assert torch.equal(iou_variants(stacked)[mean], expected)
    for rates in ('mctformer', 'irn', 'seam'):
        assert torch.equal(
            false_rates(stacked, rates).negative,
            torch.stack([false_rates(one, rates).negative for one in areas]),
        )


def test_counts_beyond_32_bits():
    areas = class_areas(torch.tensor([[2**40, 0], [2**40, 2**41]]))
    assert class_iou(areas).tolist() == [0.5, 2 / 3]


@pytest.mark.parametrize('num_classes', [2, 21, 255])
def test_byte_maps_are_counted_alike(num_classes):
    """uint8 maps take a shorter way."""
    rng = np.random.default_rng(0)
    pred, gt = (
        torch.from_numpy(rng.choice([*range(num_classes), 255], (9, 11)).astype(np.uint8))
        for _ in range(2)
    )
    expected = confusion_matrix(pred.long(), gt.long(), num_classes)
    result = confusion_matrix(pred, gt, num_classes)
    assert torch.equal(result, expected) and result.dtype == torch.int64
    if num_classes < 255:
        for maps, name in (
            ((pred, gt.clone()), 'ground truth'),
            ((pred.clone(), gt), 'prediction'),
        ):
            maps[name == 'ground truth'][3, 4] = num_classes
            with pytest.raises(ValueError, match=f'{name} has class id {num_classes}, outside'):
                confusion_matrix(*maps, num_classes)
