"""Statistics of maps and photos for choosing the background threshold without masks.

The statistics at every threshold of a grid are the share of the pixels that are foreground, the
share of the tags that keep an area, and the separation of the colours of the photo (the
between-class variance of Otsu, 1979, of colours where Otsu has grey values).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = np.arange(1, 100) / 100
SMALLEST_AREA = 0.005  # share of the photo that a tag has to keep


class SurveyCurves(NamedTuple):
    """Means over photos with tags at n thresholds, (n,) each in [0,1].

    Attributes:
        area: Share of the pixels that are foreground.
        kept: Share of the tags that keep an area.
        contrast: Share of the variance of colours that lies between foreground and background.
    """

    area: NDArray[np.float64]
    kept: NDArray[np.float64]
    contrast: NDArray[np.float64]


class ThresholdSurvey:
    """Accumulates the statistics photo by photo.

    Args:
        thresholds: Ascending, in (0,1).
    """

    def __init__(self, thresholds: Sequence[float] | NDArray[np.float64] = THRESHOLDS) -> None:
        self.thresholds = np.asarray(thresholds, np.float64)
        self.histogram = np.zeros(len(self.thresholds) + 1, np.int64)
        self.num_photos = self.num_tags = 0
        count = len(self.thresholds)
        self._area, self._contrast = np.zeros(count), np.zeros(count)
        self._kept = np.zeros(count, np.int64)

    def add(self, cams: NDArray[np.floating], image: NDArray[np.uint8]) -> None:
        """Add a photo with tags.

        Args:
            cams: (K,H,W) maps of its tags in [0,1], K >= 1.
            image: (H,W,3) uint8.
        """
        winner, score = cams.argmax(0), cams.max(0).astype(np.float64)
        # a pixel of bin b is foreground at the first b thresholds
        bins = np.searchsorted(self.thresholds, score.ravel())
        self.histogram += np.bincount(bins, minlength=len(self.histogram))
        self._area += _above(bins, len(self.thresholds)) / bins.size
        for slot in range(len(cams)):
            own = bins[winner.ravel() == slot]
            share = _above(own, len(self.thresholds)) / bins.size
            self._kept += share >= SMALLEST_AREA
        self._contrast += _contrast(bins, image, len(self.thresholds))
        self.num_photos += 1
        self.num_tags += len(cams)

    def curves(self) -> SurveyCurves:
        """Means over all photos that were added.

        Raises:
            ValueError: No photo has been added.
        """
        if not self.num_photos:
            raise ValueError('no photo has a map: a threshold needs photos with tags')
        return SurveyCurves(
            self._area / self.num_photos,
            self._kept / self.num_tags,
            self._contrast / self.num_photos,
        )


def _above(bins: NDArray[np.int64], count: int, weights: NDArray | None = None) -> NDArray:
    """(n,) sums of the pixels that are foreground at each threshold."""
    sums = np.bincount(bins, weights, minlength=count + 1)
    return sums[::-1].cumsum()[::-1][1:]


def _contrast(bins: NDArray[np.int64], image: NDArray[np.uint8], count: int) -> NDArray:
    """(n,) share of the variance of the colours that lies between the two sides of the cut."""
    pixels = image.reshape(-1, 3).astype(np.float64)
    pixels -= pixels.mean(0)
    total = (pixels**2).sum()
    front = _above(bins, count)
    back = bins.size - front
    if not total:
        return np.zeros(count)
    between = np.zeros(count)
    for channel in range(3):
        between += _above(bins, count, pixels[:, channel]) ** 2
    # the sums of the two sides are opposite, because the mean is zero
    weight = np.where((front > 0) & (back > 0), front * back, np.inf) / bins.size
    return between / weight / total
