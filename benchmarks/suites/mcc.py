"""A training step of MCC, against one that makes every pass of the released code."""

from pathlib import Path

import torch
from mmengine.config import Config

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

from ..textbook import mcc as textbook
from .training import training_case

CONFIG = Path(__file__).parents[2] / 'configs' / '_base_' / 'models' / 'mcc_deit-b.py'
TINY = dict(embed_dims=64, num_layers=4, num_heads=2, feedforward_channels=256)


def mcc_train(device, quick):
    """Forward, losses and backward of an image of 448 x 448 with two tags of 20 while all losses
    act: losses, and the gradient of the patch embedding. ViT-S on a CPU, ViT-B on a GPU."""
    config = Config.fromfile(CONFIG).model
    config.backbone.pop('init_cfg')
    config.update(mask_ratio=0.95, contrast_loss=dict(temperature=0.5, for_else_term=True))
    if device.type == 'cpu':
        config.backbone.arch = 'deit-small'
    side = 64 if quick else 448
    if quick:
        config.backbone.update(arch=TINY, img_size=64)
        config.update(mask_scale=2)
    model = MODELS.build(config)
    model.backbone.init_weights()
    model = model.to(device).train()
    plain = textbook.PlainMCC(model).to(device)
    views = [torch.rand(1, 3, side // 8, side // 8, device=device) for _ in range(3)]
    # smooth, as photos are
    views = [
        4 * torch.nn.functional.interpolate(view, size=(side, side), mode='bicubic') - 2
        for view in views
    ]
    tags = torch.zeros(1, 20, device=device)
    tags[0, [3, 14]] = 1
    box = (0, side, 0, side * 7 // 8)
    samples = [WSSSDataSample(metainfo=dict(img_box=box)).set_gt_tags(tags[0])]

    boxes = torch.tensor([box], device=device)
    return training_case(
        model, plain, views, samples, lambda: textbook.losses(plain, model, views, tags, boxes)
    )
