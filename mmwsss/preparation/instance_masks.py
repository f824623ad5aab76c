"""Label maps from the masks of overlapping instances."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

OVERLAPS = ('first', 'smallest')


def paint_order(areas: Sequence[float], overlap: str = 'first') -> list[int]:
    """Order of precedence of instances at a pixel.

    Args:
        areas (Sequence[float]): Areas of the instances, in file order.
        overlap (str): ``'first'``: the first in the file has precedence, as in MCC's script;
            ``'smallest'``: the smallest area has precedence, and the first of equal ones.

    Returns:
        list[int]: Indices in the order of precedence.

    Raises:
        ValueError: The rule is unknown.
    """
    if overlap not in OVERLAPS:
        raise ValueError(f'overlap must be one of {OVERLAPS}, got {overlap!r}')
    order = range(len(areas))
    return list(order) if overlap == 'first' else sorted(order, key=areas.__getitem__)


def paint_instances(
    masks: Iterable[ArrayLike], labels: Iterable[int], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Paint instances over one another.

    Args:
        masks (Iterable[array]): (H,W) each, non-zero inside; the instance with precedence comes
            last, i.e. :func:`paint_order` reversed.
        labels (Iterable[int]): Label of each, 1..255.
        size (tuple): (H,W).

    Returns:
        array: (H,W) uint8, 0 where there is no instance.
    """
    result = np.zeros(size, np.uint8)
    for mask, label in zip(masks, labels):
        result[np.asarray(mask, bool)] = label
    return result
