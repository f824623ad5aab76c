"""Pixel counts per class and the metrics derived from them: IoU with its three means, false
positives and false negatives, following the conventions of the published evaluation code.

Counts stay int64 until the final division, so that any number of pixels is exact.
"""

from typing import NamedTuple

import torch
from torch import Tensor

MEANS = ('all', 'present', 'union')
RATES = ('mctformer', 'irn', 'seam')
LARGEST = 255  # largest value of a uint8 label map


class ClassAreas(NamedTuple):
    """Pixels of each class, int64 (...,K) with K=C+1 classes, background first."""

    hit: torch.Tensor  # labelled and predicted as the class (true positives)
    predicted: torch.Tensor
    target: torch.Tensor


class FalseRates(NamedTuple):
    """False positive and false negative rates, float64 fractions."""

    positive: torch.Tensor  # (...,) mean over classes
    negative: torch.Tensor
    class_positive: torch.Tensor  # (...,K)
    class_negative: torch.Tensor


def confusion_matrix(pred: Tensor, gt: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Count every pair of label and prediction with one bincount.

    Args:
        pred (Tensor): Integer label map (H,W), or any shape; ``ignore_index`` means "no
            prediction".
        gt (Tensor): Labels, same shape; pixels with ``ignore_index`` are left out.
        num_classes (int): K, background included.
        ignore_index (int): Value outside 0..K-1.

    Returns:
        Tensor: (K,K+1) int64; rows are labels, columns predictions, the last column counts pixels
            without a prediction.

    Raises:
        ValueError: Shapes differ or a class id is outside 0..K-1.
    """
    if pred.shape != gt.shape:
        raise ValueError(
            f'prediction {tuple(pred.shape)} and ground truth {tuple(gt.shape)} differ in size'
        )
    gt = shift_labels(gt, num_classes, ignore_index, 'ground truth')
    pred = shift_labels(pred, num_classes, ignore_index, 'prediction')
    return _count_pairs(pred, gt, num_classes)


def _count_pairs(pred: Tensor, gt: Tensor, num_classes: int) -> Tensor:
    """(K,K+1) of :func:`confusion_matrix` from labels shifted by one, 0 for ignored pixels."""
    width = num_classes + 1
    # short integers are counted in two thirds of the time
    dtype = torch.int16 if width * width <= torch.iinfo(torch.int16).max else torch.int64
    joint = gt.to(dtype).mul_(width).add_(pred).flatten()
    counts = torch.bincount(joint, minlength=width * width).view(width, width)[1:]
    return torch.cat((counts[:, 1:], counts[:, :1]), 1)


def shift_labels(labels: Tensor, num_classes: int, ignore_index: int, name: str) -> Tensor:
    """Map labels 0..K-1 to 1..K and ``ignore_index`` to 0, so that one histogram covers all of
    them.

    Returns:
        Tensor: Same shape, int64, or uint8 as ``labels`` where 255 is ignored, the fast case.

    Raises:
        ValueError: A label is outside 0..K-1; the message starts with ``name``.
    """
    if labels.dtype == torch.uint8 and ignore_index == LARGEST and labels.numel():
        shifted = labels + 1  # 255 becomes 0
        if int(shifted.amax()) <= num_classes:
            return shifted
    ignored = labels == ignore_index
    labels = labels.long().masked_fill(ignored, 0)
    if labels.numel():
        low, high = (int(value) for value in labels.aminmax())
        if low < 0 or high >= num_classes:
            raise ValueError(
                f'{name} has class id {low if low < 0 else high}, outside 0..{num_classes - 1} '
                f'({ignore_index} is ignore)'
            )
    return labels.add_(1).masked_fill_(ignored, 0)


def resolve_ignored(confusion: Tensor, how: str = 'background') -> Tensor:
    """Assign the pixels without a prediction.

    Args:
        confusion (Tensor): (K,K+1) of :func:`confusion_matrix`.
        how (str): ``'background'`` as in IRN, or ``'drop'`` to leave such pixels out as in ToCo
            (report the coverage with it).

    Returns:
        Tensor: (K,K) int64.
    """
    if how not in ('background', 'drop'):
        raise ValueError(f"pixels without a prediction become 'background' or 'drop', got {how!r}")
    square = confusion[:, :-1].clone()
    if how == 'background':
        square[:, 0] += confusion[:, -1]
    return square


def class_areas(confusion: Tensor) -> ClassAreas:
    """Areas of a (K,K) confusion matrix (rows are labels)."""
    return ClassAreas(confusion.diagonal().clone(), confusion.sum(0), confusion.sum(1))


def class_iou(areas: ClassAreas) -> Tensor:
    """Intersection over union of each class, float64 (...,K) in [0,1]; 0 for a class that never
    occurs.
    """
    union = areas.target + areas.predicted - areas.hit
    return areas.hit.double() / union.clamp(min=1)


def mean_over_classes(values: Tensor, areas: ClassAreas, mean: str = 'all') -> Tensor:
    """Mean of per-class ``values`` (...,K).

    Args:
        values (Tensor): (...,K).
        areas (ClassAreas): Decides which classes count.
        mean (str): ``'all'`` classes, absent ones with their 0 (MCTformer, SEAM, ACR);
            ``'present'`` in the ground truth (ToCo, MCC, CoSA); ``'union'`` in ground truth or
            prediction (IRN, mmseg).

    Returns:
        Tensor: (...,) float64; 0 where no class counts.
    """
    if mean == 'all':
        return values.mean(-1)
    if mean == 'present':
        chosen = areas.target > 0
    elif mean == 'union':
        chosen = areas.target + areas.predicted > 0
    else:
        raise ValueError(f'mean must be one of {MEANS}, got {mean!r}')
    return torch.where(chosen, values, 0).sum(-1) / chosen.sum(-1).clamp(min=1)


def iou_variants(areas: ClassAreas) -> dict[str, Tensor]:
    """The three means of IoU found in the literature; identical when every class occurs in the
    ground truth.

    Returns:
        dict[str, Tensor]: ``'all'``, ``'present'``, ``'union'`` -> (...,) float64 in [0,1], see
        :func:`mean_over_classes`.
    """
    iou = class_iou(areas)
    return {mean: mean_over_classes(iou, areas, mean) for mean in MEANS}


def false_rates(areas: ClassAreas, rates: str = 'mctformer', mean: str = 'all') -> FalseRates:
    """False positives and false negatives by the three published definitions.

    Args:
        areas (ClassAreas): (...,K) pixels.
        rates (str): ``'mctformer'`` (also ACR): FP and FN over the union, mean over the classes of
            ``mean`` with background, so that FP + FN + IoU = 1; ``'irn'``: the same fractions, mean
            over the foreground classes; ``'seam'`` (its paper): FP and FN over the hits, mean over
            the foreground classes that have a hit.
        mean (str): Classes that count, as in :func:`mean_over_classes`.

    Returns:
        FalseRates: Fractions; per class 0 where the denominator is 0.
    """
    if rates not in RATES:
        raise ValueError(f'rates must be one of {RATES}, got {rates!r}')
    # SEAM divides by the hits, the others by the union
    denominator = areas.hit if rates == 'seam' else areas.target + areas.predicted - areas.hit
    counted = denominator > 0
    false = [
        torch.where(counted, (area - areas.hit).double() / denominator.clamp(min=1), 0)
        for area in (areas.predicted, areas.target)
    ]
    if rates == 'mctformer':
        means = [mean_over_classes(value, areas, mean) for value in false]
    elif rates == 'irn':  # background is reported separately
        foreground = ClassAreas(*(area[..., 1:] for area in areas))
        means = [mean_over_classes(value[..., 1:], foreground, mean) for value in false]
    else:
        means = [value[..., 1:].sum(-1) / counted[..., 1:].sum(-1).clamp(min=1) for value in false]
    return FalseRates(*means, *false)
