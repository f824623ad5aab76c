"""Tiny single-stage networks and batches for them."""

import torch

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

TINY = dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32)
SIDE = 64
BACKBONE = dict(
    type='mmwsss.TokenViT',
    arch=TINY,
    img_size=SIDE,
    patch_size=8,
    final_norm=True,
    aux_layer=-2,
    frozen_pos_embed=True,
)


def build(kind='SingleStage', num_classes=5, **options):
    """A network for images of 64x64 with a grid of 8x8 tokens."""
    contrast = (
        {}
        if kind in ('SingleStage', 'CoSA', 'Composed')
        else dict(projector=dict(out_channels=12, hidden_channels=16, bottleneck_channels=8))
    )
    settings = dict(
        type=f'mmwsss.{kind}',
        backbone=BACKBONE,
        num_classes=num_classes,
        decode_head=dict(channels=8, dilation=2),
    )
    model = MODELS.build({**settings, **contrast, **options})
    model.backbone.init_weights()
    # maps with contrast, some above and some below the thresholds
    torch.nn.init.normal_(model.classifier.weight)
    torch.nn.init.normal_(model.aux_classifier.weight)
    return model


def pictures(num, side=SIDE):
    """Smooth normalised images (B,3,H,W)."""
    coarse = torch.rand(num, 3, side // 8, side // 8)
    return (
        4
        * torch.nn.functional.interpolate(
            coarse, size=(side, side), mode='bicubic', align_corners=False
        )
        - 2
    )


def samples(tags, boxes=None):
    """Data samples with tags (B,C) and boxes y0, y1, x0, x1."""
    result = [
        WSSSDataSample().set_gt_tags(row) for row in torch.as_tensor(tags, dtype=torch.float32)
    ]
    for sample, box in zip(result, boxes or ()):
        sample.set_metainfo(dict(img_box=box))
    return result
