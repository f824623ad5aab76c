"""Background thresholds of CAMs: a label map at one threshold, and exact counts for a whole sweep
in one pass.

With scores >= 0 and a background plane of constant value t, a pixel is labelled with its strongest
class if that score exceeds t, else background (a tie goes to background). Raising t therefore
switches a pixel once, from its class to background. It is enough to know for each pixel the
strongest class and the number b of thresholds below its score: at the j-th threshold (from 0) the
class is predicted iff b > j. A histogram over (label, class, b) holds every quantity at every
threshold.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .confusion import ClassAreas, class_iou, false_rates, mean_over_classes, shift_labels

OFFICIAL_THRESHOLDS = tuple(step / 100 for step in range(60))  # MCTformer; ACR continues to 0.99


class SweepCurves(NamedTuple):
    """A sweep over n thresholds and K=C+1 classes; fractions in float64."""

    areas: ClassAreas  # (n,K) int64 each
    iou: torch.Tensor  # (n,K)
    miou: torch.Tensor  # (n,)
    false_positive: torch.Tensor  # (n,)
    false_negative: torch.Tensor  # (n,)


def make_thresholds(thresholds: Sequence[float]) -> Tensor:
    """Check thresholds and round them to float32, the precision in which CAMs are compared.

    Raises:
        ValueError: There are no thresholds, one is negative or not finite, or they are not
            ascending.
    """
    result = torch.as_tensor(thresholds, dtype=torch.float32)
    if result.ndim != 1 or not len(result):
        raise ValueError('the threshold sweep needs a list of at least one threshold')
    if not (result.isfinite() & (result >= 0)).all():
        raise ValueError('thresholds must be finite and >= 0: CAMs are, and the sweep relies on it')
    if (result.diff() <= 0).any():
        raise ValueError('thresholds must ascend')
    return result


def sweep_counts(
    cams: Tensor,
    keys: Sequence[int],
    gt: Tensor,
    thresholds: Tensor | Sequence[float],
    num_classes: int,
    ignore_index: int = 255,
) -> Tensor:
    """Count one image for all thresholds, with one bincount.

    Args:
        cams (Tensor): (K,H,W) of the K present classes, >= 0, compared as float32; K may be 0.
        keys (Sequence[int]): K different class ids, 0-based without background.
        gt (Tensor): (H,W) integer labels, 0 background.
        thresholds (Tensor | Sequence[float]): n ascending values >= 0; a tensor is assumed to be
            checked by :func:`make_thresholds`.
        num_classes (int): C+1, background included.
        ignore_index (int): Label of pixels that are left out.

    Returns:
        Tensor: (3C+1,n+1) int64, sums over images are valid. Column b holds the pixels whose
            strongest score exceeds b thresholds;
        rows 0..C-1: strongest class k; rows C..2C-1: the same where the label is k too; rows
            2C..3C: pixels of each label 0..C.

    Raises:
        ValueError: Sizes differ, keys repeat or are out of range, a score is negative or NaN, a
            label is out of range.
    """
    thresholds = (
        thresholds if isinstance(thresholds, torch.Tensor) else make_thresholds(thresholds)
    ).to(cams.device)
    if cams.ndim != 3 or cams.shape[1:] != gt.shape:
        raise ValueError(
            f'CAMs {tuple(cams.shape)} do not fit a ground truth of size {tuple(gt.shape)}'
        )
    cams, keys = _sort_planes(cams, keys)
    if keys and (keys[0] < 0 or keys[-1] >= num_classes - 1):
        raise ValueError(f'CAM keys {keys} are not all foreground classes 0..{num_classes - 2}')
    labels = shift_labels(gt.to(cams.device), num_classes, ignore_index, 'ground truth')
    planes, columns = max(len(keys), 1), len(thresholds) + 1
    if keys:
        score, winner = cams.max(0)
        lowest = float(cams.amin())
        if not lowest >= 0:
            raise ValueError(f'CAMs must be >= 0, found {lowest}')
        # (label, strongest class, thresholds below its score) as one number for the bincount
        strength = torch.searchsorted(thresholds, score, out_int32=True)
        code = labels.int().mul_(planes).add_(winner).mul_(columns).add_(strength)
    else:
        code = labels.int() * columns
    joint = torch.bincount(code.flatten(), minlength=(num_classes + 1) * columns * planes)
    joint = joint.view(num_classes + 1, planes, columns)[1:]  # label 0 holds ignored pixels
    foreground = num_classes - 1
    counts = joint.new_zeros(3 * foreground + 1, columns)
    for plane, key in enumerate(keys):
        counts[key] = joint[:, plane].sum(0)
        counts[foreground + key] = joint[key + 1, plane]
    counts[2 * foreground :] = joint.sum(1)
    return counts


def areas_from_counts(counts: Tensor) -> ClassAreas:
    """Pixels per class at every threshold, from the (3C+1,n+1) counts of :func:`sweep_counts`.

    Returns:
        ClassAreas: (n,C+1) int64 each.
    """
    foreground = (counts.shape[0] - 1) // 3
    predicted, hit, target = counts.split((foreground, foreground, foreground + 1))
    # background: all pixels with b <= j, those with label 0
    weak = torch.stack((target.sum(0), target[0])).cumsum(1)[:, :-1]
    strong = torch.stack((predicted, hit))
    strong = strong.sum(2, keepdim=True) - strong.cumsum(2)[..., :-1]  # class k: pixels with b > j
    predicted, hit = torch.cat((weak.unsqueeze(1), strong), 1).transpose(1, 2)
    return ClassAreas(hit, predicted, target.sum(1).expand_as(hit))


def curves_from_counts(counts: Tensor, mean: str = 'all', rates: str = 'mctformer') -> SweepCurves:
    """IoU and false rates at every threshold.

    Args:
        counts (Tensor): (3C+1,n+1), summed over images.
        mean (str): Convention of the mean, see
            :func:`mmwsss.functional.confusion.mean_over_classes`.
        rates (str): Definition of false rates, see :func:`mmwsss.functional.confusion.false_rates`.

    Returns:
        SweepCurves: Fractions at each of the n thresholds.
    """
    areas = areas_from_counts(counts)
    iou, false = class_iou(areas), false_rates(areas, rates, mean)
    return SweepCurves(
        areas, iou, mean_over_classes(iou, areas, mean), false.positive, false.negative
    )


def select_threshold(
    miou: Tensor, rule: str | float = 'best', thresholds: Tensor | None = None
) -> int:
    """Index of the threshold to report.

    Args:
        miou (Tensor): (n,) mIoU at each threshold.
        rule (str | float): ``'best'`` of the sweep, the lowest of equals; ``'greedy'`` stops at the
            first threshold that does not improve, as in MCTformer's script (a plateau ends the
            search); a number selects that threshold.
        thresholds (Tensor, optional): (n,) float32, needed for a number.

    Raises:
        ValueError: The rule is unknown, or the number is not a threshold of the sweep.
    """
    if rule == 'best':
        return int(torch.nonzero(miou == miou.max())[0])
    if rule == 'greedy':
        stop = torch.nonzero(miou.diff() <= 0)
        return int(stop[0]) if len(stop) else len(miou) - 1
    if isinstance(rule, str):
        raise ValueError(f"the threshold rule is 'best', 'greedy' or a number, got {rule!r}")
    if thresholds is None:
        raise ValueError(f'threshold {rule} needs the thresholds of the sweep')
    match = torch.nonzero(
        thresholds == torch.tensor(rule, dtype=torch.float32, device=thresholds.device)
    )
    if not len(match):
        raise ValueError(f'threshold {rule} is not part of the sweep')
    return int(match[0])


def labels_at_threshold(cams: Tensor, keys: Sequence[int], threshold: float) -> Tensor:
    """Label map of CAMs at a background threshold.

    Args:
        cams (Tensor): (K,H,W) of the K present classes, K may be 0.
        keys (Sequence[int]): K class ids, 0-based without background.
        threshold (float): Compared as float32; a score equal to it is background.

    Returns:
        Tensor: (H,W) uint8, 0 background, class c is c+1; among equal scores the lowest class wins.
    """
    if not len(keys):
        return cams.new_zeros(cams.shape[-2:], dtype=torch.uint8)
    cams, keys = _sort_planes(cams, keys)
    score, winner = cams.max(0)
    labels = torch.tensor(keys, dtype=torch.uint8, device=cams.device) + 1
    return torch.where(
        score > torch.tensor(threshold, dtype=torch.float32, device=cams.device), labels[winner], 0
    )


def _sort_planes(cams: Tensor, keys: Sequence[int]) -> tuple[Tensor, list[int]]:
    """Order planes by class id, so that the first maximum is the lowest class. Returns float32
    planes and the list of ids.
    """
    keys = [int(key) for key in keys]
    if len(keys) != len(cams) or len(set(keys)) != len(keys):
        raise ValueError(f'{len(cams)} CAMs need as many different keys, got {keys}')
    cams = cams.float()
    order = sorted(range(len(keys)), key=keys.__getitem__)
    if order != list(range(len(keys))):
        cams, keys = cams[order], [keys[index] for index in order]
    return cams, keys
