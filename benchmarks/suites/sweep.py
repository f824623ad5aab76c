"""Sweeps over thresholds and over settings of a random walk: one pass over the images, against one
pass per threshold or setting.
"""

import torch
from torch.nn import functional as F

from mmwsss.apis.mask_sweep import MaskSweep, parse_values
from mmwsss.functional.thresholds import (
    OFFICIAL_THRESHOLDS,
    areas_from_counts,
    make_thresholds,
    sweep_counts,
)
from mmwsss.registry import MODELS

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


def walk_sweep(device, quick):
    """100 settings of the walk of PSA (10 background scores, 2 exponents, 5 lengths) on two images
    of 375 x 500 pixels with two tags of 20, on a small trunk: pixel counts of every class.
    """
    size = (40, 48) if quick else (375, 500)
    words = ['background=0.3:0.5:0.02', 'beta=4,8', 'log2_steps=2,3,4,5,6']
    trunk = dict(depth=18, base_channels=8, stem_channels=8, frozen_stages=-1)
    network = MODELS.build(
        dict(
            type='mmwsss.AffinityNet',
            out_indices=(2, 3, 4),
            embed_channels=(8, 16, 32),
            data_preprocessor=dict(type='mmwsss.ViewsDataPreprocessor'),
            backbone=dict(type='mmwsss.PyramidResNet', **trunk),
        )
    )
    network.init_weights()
    network = network.eval().to(device)
    sweep = MaskSweep('psa', parse_values(words, 'psa'), NUM_CLASSES, network)
    images = []
    for _ in range(2):
        noise = torch.rand(1, 8, 12, 16)
        maps = F.interpolate(noise, size=size, mode='bilinear', align_corners=False)[0]
        image = (maps[:3] * 255).permute(1, 2, 0).to(torch.uint8).contiguous().numpy()
        labels = torch.tensor([0, 4, 15])[maps[3:6].argmax(0)]
        images.append((image, maps[6:], labels))

    def ours():
        return sum(sweep.count(image, cams, (3, 14), gt) for image, cams, gt in images)

    def plainly():
        return torch.stack(
            [
                textbook.walk_areas(network, images, (3, 14), setting, NUM_CLASSES)
                for setting in sweep.settings
            ]
        )

    return Case(ours, plainly)
