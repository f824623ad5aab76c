"""Conversion between label regions and polygons: outlines of pixels, with holes joined to their
outer ring.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

IGNORE = 255
_SCALE = 2  # outlines are traced at twice the size, so that they enclose whole pixels


class Region(NamedTuple):
    """One connected region of a class."""

    label: int
    """1-based class id, as in the mask."""
    top: int
    left: int
    mask: NDArray[np.bool_]
    """(h,w) pixels of the bounding box that belong to the region."""


def connected_regions(mask: NDArray[np.uint8], min_area: int = 1) -> Iterator[Region]:
    """Connected regions (8 neighbours) of all foreground classes of a label map.

    Args:
        mask (array): (H,W) uint8, 0 background, 255 ignore.
        min_area (int): Regions of fewer pixels are left out.

    Yields:
        Region: Ordered by class, then by the first pixel in row-major order.
    """
    for label in np.unique(mask).tolist():
        if label in (0, IGNORE):
            continue
        count, parts, boxes, _ = cv2.connectedComponentsWithStats(
            (mask == label).astype(np.uint8), connectivity=8
        )
        for part in range(1, count):
            left, top, width, height, area = boxes[part].tolist()
            if area >= min_area:
                window = parts[top : top + height, left : left + width]
                yield Region(label, top, left, window == part)


def region_to_polygon(region: Region, tolerance: float = 0.0) -> NDArray[np.float64]:
    """Outline of a region as one polygon; holes are joined to the outer ring by a cut of zero
    width.

    Without simplification the pixels whose centres lie inside the polygon are exactly those of the
    region.

    Args:
        region (Region): From :func:`connected_regions`.
        tolerance (float): Largest distance in pixels between the outline and its simplification
            (Douglas-Peucker). 0 keeps every corner.

    Returns:
        np.ndarray: (P,2) x and y in pixels of the image; the origin is the corner of the first
        pixel.
    """
    enlarged: Any = np.kron(region.mask.astype(np.uint8), np.ones((_SCALE, _SCALE), np.uint8))
    contours, hierarchy = cv2.findContours(enlarged, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = [_simplified(contour, tolerance * _SCALE) for contour in contours]
    parents = hierarchy[0][:, 3]
    outer = rings[int(np.flatnonzero(parents < 0)[0])]
    holes = [ring for ring, parent in zip(rings, parents) if parent >= 0 and len(ring) > 2]
    # holes are joined from the left, so that a cut cannot cross a hole that is joined later
    for hole in sorted(holes, key=lambda ring: ring[:, 0].min()):
        outer = _join(outer, hole)
    return (outer + 0.5) / _SCALE + (region.left, region.top)


def _simplified(ring: Any, tolerance: float) -> NDArray[np.float64]:
    """(P,2) points of a ring of OpenCV, simplified within ``tolerance``."""
    if tolerance > 0:
        shorter = cv2.approxPolyDP(ring, tolerance, True)
        ring = shorter if len(shorter) > 2 else ring
    return ring[:, 0].astype(np.float64)


def _join(outer: NDArray[np.float64], hole: NDArray[np.float64]) -> NDArray[np.float64]:
    """One ring from an outer ring and a hole, cut between their nearest points."""
    distances = ((outer[:, None] - hole[None]) ** 2).sum(2)
    start, turn = np.unravel_index(distances.argmin(), distances.shape)
    inner = np.concatenate([hole[turn:], hole[: turn + 1]])
    return np.concatenate([outer[: start + 1], inner, outer[start:]])


def fill_polygon(
    mask: NDArray[np.uint8], polygon: NDArray[np.float64], label: int
) -> NDArray[np.uint8]:
    """Write ``label`` to the pixels of ``mask`` (H,W) whose centres lie inside a polygon.

    The even-odd rule keeps a hole that is joined to its ring open. The mask is changed in place and
    returned.

    Args:
        mask (array): (H,W) uint8.
        polygon (array): (P,2) x and y in pixels; points outside the image are allowed.
        label (int): 0..255.
    """
    height, width = mask.shape
    x, y = np.asarray(polygon, np.float64).T
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    first = max(int(np.floor(y.min())), 0)
    for row in range(first, min(int(np.ceil(y.max())), height)):
        centre = row + 0.5
        crosses = (y <= centre) != (next_y <= centre)
        slope = (next_x[crosses] - x[crosses]) / (next_y[crosses] - y[crosses])
        edges = np.sort(x[crosses] + (centre - y[crosses]) * slope)
        # the first pixel whose centre lies right of an edge
        columns = np.clip(np.ceil(edges - 0.5), 0, width).astype(int)
        for begin, end in zip(columns[::2], columns[1::2]):
            mask[row, begin:end] = label
    return mask
