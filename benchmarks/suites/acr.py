"""ACR on DeiT-S at 384: a training step of two views, and gradient maps of an image with three
classes.
"""

from pathlib import Path

import torch
from mmengine.config import Config
from torch import nn

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.functional.cam import minmax_normalize
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

from ..textbook import acr as textbook
from . import Case

CONFIG = Path(__file__).parents[2] / 'configs' / 'acr_deit-s_voc.py'
TINY = dict(embed_dims=64, num_layers=3, num_heads=2, feedforward_channels=256)
CLASSES = [3, 7, 14]


def acr_train(device, quick):
    """Forward, losses and backward of one image and its flip, 20 classes: losses, and the gradient
    of the patch embedding.
    """
    model = _model(device, quick).train()
    plain = textbook.PlainACR(model).to(device)
    image = torch.randn(1, 3, *model.backbone.img_size, device=device)
    tags = torch.zeros(1, 20, device=device)
    tags[0, CLASSES] = 1
    samples = [WSSSDataSample().set_gt_tags(tags[0])]
    weights = model.consistency.weights

    def step(network, embedding, compute):
        network.zero_grad(set_to_none=True)
        losses = compute()
        losses.sum().backward()
        return losses.detach(), embedding.weight.grad

    def ours():
        return step(
            model,
            model.backbone.patch_embed.projection,
            lambda: torch.stack(list(model(image, samples, mode='loss').values())),
        )

    return Case(
        ours,
        lambda: step(
            plain,
            plain.embed,
            lambda: textbook.losses(plain, image, tags, weights['activation'], weights['affinity']),
        ),
    )


def gradcam(device, quick):
    """Refined gradient maps (K,h,w) in [0,1] of an image with three of 20 classes, against a full
    backward pass for each class.
    """
    model = _model(device, quick).eval()
    plain = textbook.PlainACR(model).to(device)
    image = torch.randn(1, 3, *model.backbone.img_size, device=device)

    def ours():
        with torch.no_grad():
            return minmax_normalize(model.maps_of(model.extract(image), CLASSES)[0])

    return Case(
        ours,
        lambda: minmax_normalize(
            textbook.gradient_cams(plain, image, CLASSES).unflatten(1, plain.grid)
        ),
    )


def _model(device, quick):
    """Untrained network with attention as peaked as that of a trained one, so that maps have
    contrast.
    """
    config = Config.fromfile(CONFIG).model
    config.backbone.pop('init_cfg')
    if quick:
        config.backbone.update(arch=TINY, img_size=64)
    model = MODELS.build(config)
    model.backbone.init_weights()
    for layer in model.backbone.layers:
        nn.init.normal_(layer.attn.qkv.weight, std=1.5 * model.backbone.embed_dims**-0.5)
    return model.to(device)
