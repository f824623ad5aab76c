"""Colour operations of MMCV and Pillow on (H,W,3) uint8 images by look-up tables of the 256 values,
with identical pixels.
"""

from collections.abc import Callable

import cv2
import mmcv
import numpy as np

RAMP = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)  # (1,256,3)
SHARPNESS = np.array([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]]) / 13


def by_value(image: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """``change(image)`` of a pointwise function, which is evaluated for the 256 values only."""
    return cv2.LUT(image, np.ascontiguousarray(change(RAMP.copy())[:, :, 0]))


def brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """``mmcv.adjust_brightness``."""
    return by_value(image, lambda ramp: mmcv.adjust_brightness(ramp, factor, backend='cv2'))


def contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """``mmcv.adjust_contrast`` of a BGR image, relative to its mean grey level."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    mean = np.full_like(RAMP, round(int(grey.sum(dtype=np.int64)) / grey.size), np.float32)

    def turned(ramp: np.ndarray) -> np.ndarray:
        mixed = cv2.addWeighted(ramp.astype(np.float32), factor, mean, 1 - factor, 0)
        return mixed.clip(0, 255).astype(np.uint8)

    return by_value(image, turned)


def color(image: np.ndarray, factor: float) -> np.ndarray:
    """``mmcv.adjust_color`` of a BGR image."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return cv2.addWeighted(image, factor, grey, 1 - factor, 0)


def sharpness(image: np.ndarray, factor: float) -> np.ndarray:
    """``mmcv.adjust_sharpness``."""
    smooth = cv2.filter2D(image, -1, SHARPNESS)
    mixed = cv2.addWeighted(image, factor, smooth, 1 - factor, 0, dtype=cv2.CV_32F)
    return np.clip(mixed, 0, 255, out=mixed).astype(np.uint8)


def auto_contrast(image: np.ndarray) -> np.ndarray:
    """``mmcv.auto_contrast`` without a cut."""

    def stretched(counts: np.ndarray) -> np.ndarray:
        found = counts.nonzero()[0]
        low, high = found[0], found[-1]
        if low >= high:
            return np.arange(256)
        scale = 255.0 / (high - low)
        return (np.arange(256) * scale - low * scale).clip(0, 255)

    return _by_histogram(image, stretched)


def equalize(image: np.ndarray) -> np.ndarray:
    """``mmcv.imequalize``."""

    def spread(counts: np.ndarray) -> np.ndarray:
        # in integers and without the brightest value, as in mmcv
        step = (counts.sum() - counts[counts.nonzero()[0][-1]]) // 255
        if not step:
            return np.arange(256)
        sums = (counts.cumsum() + step // 2) // step
        return np.concatenate([[0], sums[:-1]]).clip(max=255)

    return _by_histogram(image, spread)


def _by_histogram(image: np.ndarray, table_of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Map each channel by the table computed from its histogram (256,)."""
    tables = []
    for channel in range(3):
        counts = cv2.calcHist([image], [channel], None, [256], (0, 256))
        tables.append(table_of(counts.ravel().astype(np.int64)))
    return cv2.LUT(image, np.stack(tables, 1).astype(np.uint8)[None])
