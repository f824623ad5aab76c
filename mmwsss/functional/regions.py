"""Connected regions of a map above a threshold: their boxes and peaks."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Region(NamedTuple):
    """A connected region (8 neighbours) of a map.

    Attributes:
        box (tuple[int, int, int, int]): First and (exclusive) last row, then the same for the
            columns.
        peak (tuple[int, int]): Row and column of the largest value.
    """

    box: tuple[int, int, int, int]
    peak: tuple[int, int]

    @property
    def cells(self) -> tuple[slice, slice]:
        """Rows and columns of the box."""
        top, bottom, left, right = self.box
        return slice(top, bottom), slice(left, right)


def find_regions(plane: Tensor, threshold: float) -> list[Region]:
    """Regions where a map exceeds a fraction of its maximum, ordered from the top left.

    Args:
        plane (Tensor): (H,W), its minimum 0.
        threshold (float): Share in [0,1).

    Returns:
        list[Region]: Empty for a map without a positive value.
    """
    from scipy import ndimage

    values = plane.detach().float().cpu().numpy()
    above = values > threshold * max(float(values.max(initial=0)), 0)
    numbered, _ = ndimage.label(above, structure=np.ones((3, 3)))
    regions = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(numbered), 1):
        inside = np.where(numbered[rows, columns] == number, values[rows, columns], -np.inf)
        y, x = divmod(int(inside.argmax()), inside.shape[1])
        regions.append(
            Region(
                (rows.start, rows.stop, columns.start, columns.stop),
                (rows.start + y, columns.start + x),
            )
        )
    return regions


def box_masks(maps: Tensor, threshold: float) -> Tensor:
    """Union of the boxes of each map's regions.

    Args:
        maps (Tensor): (...,H,W), their minima 0.
        threshold (float): See :func:`find_regions`.

    Returns:
        Tensor: (...,H,W) bool.
    """
    masks = torch.zeros(maps.shape, dtype=torch.bool)
    for plane, mask in zip(maps.flatten(0, -3), masks.view(-1, *maps.shape[-2:])):
        for region in find_regions(plane, threshold):
            mask[region.cells] = True
    return masks.to(maps.device)
