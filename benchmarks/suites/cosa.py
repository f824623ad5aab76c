"""CoSA: a training step, and the fit of its dynamic threshold."""

import importlib.util
from pathlib import Path

import torch
from mmengine.config import Config
from torch.nn import functional as F

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.functional.mixture import bin_centres, fit_threshold
from mmwsss.models.modules import DynamicThreshold
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

from ..textbook import cosa as textbook
from . import Case
from .training import training_case

CONFIG = Path(__file__).parents[2] / 'configs' / '_base_' / 'models' / 'cosa_vit-b.py'
TINY = dict(embed_dims=64, num_layers=4, num_heads=2, feedforward_channels=256)


def cosa_train(device, quick):
    """Forward, losses and backward of an image of 448 x 448 with two tags of 20, after the warm-up,
    without energy loss: losses, and the gradient of the patch embedding. ViT-S on a CPU, ViT-B on a
    GPU."""
    config = Config.fromfile(CONFIG).model
    config.backbone.pop('init_cfg')
    config.loss_weights.energy = 0.0
    if device.type == 'cpu':
        config.backbone.arch = 'deit-small'
    side = 64 if quick else 448
    if quick:
        config.backbone.update(arch=TINY, img_size=64)
    model = MODELS.build(config)
    model.init_weights()
    model = model.to(device).train()
    weak = torch.rand(1, 3, side // 8, side // 8, device=device)
    weak = 4 * F.interpolate(weak, size=(side, side), mode='bicubic') - 2  # smooth, as photos are
    strong = 1.2 * weak
    tags = torch.zeros(1, 20, device=device)
    tags[0, [3, 14]] = 1
    box = (0, side, 0, side * 7 // 8)
    samples, boxes = (
        [WSSSDataSample(metainfo=dict(img_box=box)).set_gt_tags(tags[0])],
        torch.tensor([box], device=device),
    )

    return training_case(
        model,
        model,
        [weak, strong],
        samples,
        lambda: textbook.losses(model, weak, strong, tags, boxes),
    )


def gmm(device, quick):
    """Low and high threshold from the values of a queue of 200 images of 28 x 28 (100 batches of
    VOC), by the same EM; on the CPU.
    """
    queue = _queue(quick)
    return Case(
        lambda: torch.tensor(fit_threshold(queue, 'released'), dtype=torch.float64),
        lambda: textbook.released_thresholds(queue),
    )


def gmm_binned(device, quick):
    """As ``gmm``, from the histogram that a queue keeps, with the two images that an iteration
    adds; within 1e-3.
    """
    queue = _queue(quick)
    threshold = DynamicThreshold(
        'released', start=(0.25, 0.7), capacity=len(queue), grid=queue.shape[1:]
    )
    threshold.push(queue)
    centres, latest = bin_centres(threshold.bins), queue[:2]

    def ours():
        threshold.push(latest)  # over themselves: the values stay
        threshold.pushed.zero_()
        return torch.tensor(
            fit_threshold(centres, 'released', counts=threshold.counts), dtype=torch.float64
        )

    return Case(ours, lambda: textbook.released_thresholds(queue))


def _queue(quick):
    """Confidences (images,28,28) of background, foreground and what is between."""
    if importlib.util.find_spec('sklearn') is None:
        raise ValueError(
            'the comparison of threshold fits needs scikit-learn: pip install scikit-learn'
        )
    images = 20 if quick else 200
    low, high = (torch.rand(images, 28, 28) for _ in range(2))
    return torch.where(torch.rand(images, 28, 28) < 0.6, 0.9 * low**3, 1 - 0.6 * high**2)
