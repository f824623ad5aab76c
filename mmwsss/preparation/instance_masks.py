"""One label map from the masks of overlapping instances."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

OVERLAPS = ('first', 'smallest')


def paint_order(areas: Sequence[float], overlap: str = 'first') -> list[int]:
    """Order in which instances win a pixel.

    Args:
        areas (Sequence[float]): Areas of the instances, in file order.
        overlap (str): ``'first'``: the first in the file wins, as in MCC's script; ``'smallest'``:
            the smallest area wins, the first of equal ones.

    Returns:
        list[int]: Indices, the winner first.

    Raises:
        ValueError: Unknown rule.
    """
    if overlap not in OVERLAPS:
        raise ValueError(f'overlap must be one of {OVERLAPS}, got {overlap!r}')
    order = range(len(areas))
    return list(order) if overlap == 'first' else sorted(order, key=areas.__getitem__)


def paint_instances(
    masks: Iterable[ArrayLike], labels: Iterable[int], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Paint instances one over the other.

    Args:
        masks (Iterable[array]): (H,W) each, non-zero inside; the winner of a pixel comes last, so
            :func:`paint_order` reversed.
        labels (Iterable[int]): Label of each, 1..255.
        size (tuple): (H,W).

    Returns:
        array: (H,W) uint8, 0 where there is no instance.
    """
    result = np.zeros(size, np.uint8)
    for mask, label in zip(masks, labels):
        result[np.asarray(mask, bool)] = label
    return result
