"""ACR on DeiT-S at 384: a training step of two views, and gradient maps of an image with three
classes.
"""

from pathlib import Path

import torch
from mmengine.config import Config

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.functional.cam import minmax_normalize
from mmwsss.structures import WSSSDataSample

from ..textbook import acr as textbook
from . import Case
from .training import peaked_network, training_case

CONFIG = Path(__file__).parents[2] / 'configs' / 'acr_deit-s_voc.py'
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

    def plain_losses():
        return textbook.losses(plain, image, tags, weights['activation'], weights['affinity'])

    return training_case(model, plain, image, samples, plain_losses)


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
    config = Config.fromfile(CONFIG).model
    config.backbone.pop('init_cfg')
    return peaked_network(config, device, quick)
