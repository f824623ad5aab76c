"""Threshold sweep of CAMs: one histogram per image, against one pass over all images per
threshold.
"""

import torch
from torch.nn import functional as F

from mmwsss.functional.thresholds import (
    OFFICIAL_THRESHOLDS,
    areas_from_counts,
    make_thresholds,
    sweep_counts,
)

from ..textbook import sweep as textbook
from . import Case

NUM_CLASSES = 21


def sweep(device, quick):
    """60 thresholds over 40 images of 500 x 375 pixels with two tags of 20: pixel counts of every
    class at every threshold.
    """
    num_images, size = (3, (40, 50)) if quick else (40, (375, 500))
    thresholds = make_thresholds(OFFICIAL_THRESHOLDS)
    images = []
    for index in range(num_images):
        cams = F.interpolate(
            torch.rand(1, 2, 12, 16), size=size, mode='bilinear', align_corners=False
        )[0].to(device)
        keys = (index % 19, index % 19 + 1)
        labels = torch.tensor([0, keys[0] + 1, keys[1] + 1, 255])
        target = (
            F.interpolate(labels[torch.randint(0, 4, (6, 8))][None, None].float(), size=size)[0, 0]
            .long()
            .to(device)
        )
        images.append((cams, keys, target))

    def ours():
        counts = sum(
            sweep_counts(cams, keys, target, thresholds, NUM_CLASSES)
            for cams, keys, target in images
        )
        return torch.stack(areas_from_counts(counts.cpu()))

    return Case(ours, lambda: textbook.sweep_areas(images, thresholds.tolist(), NUM_CLASSES))
