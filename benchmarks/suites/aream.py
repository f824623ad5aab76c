"""AReAM on DeiT-S: a training step with all layers supervised, against kept scores and attention of
every head and N x N labels.
"""

import torch

from mmwsss.structures import WSSSDataSample

from ..textbook import aream as textbook
from . import Case
from .mctformer import untrained


def aream(device, quick):
    """Forward, losses and backward of two 448 x 448 images with 20 classes: losses, and the
    gradient of the patch embedding.

    Both sides share the pixel-adaptive refinement, which has an item of its own.
    """
    model = untrained(
        device,
        quick,
        type='mmwsss.AReAM',
        contrast_weight=0.0,
        test_cfg=dict(attention_layers=3, fuse_sqrt=False),
    ).train()
    plain = textbook.PlainAReAM(model).to(device)
    images = torch.randn(2, 3, *model.backbone.img_size, device=device)
    tags = torch.zeros(2, 20, device=device)
    tags[0, [3, 14]] = tags[1, 7] = 1
    samples = [WSSSDataSample().set_gt_tags(row) for row in tags]

    def step(network, embedding, compute):
        torch.manual_seed(0)  # stochastic depth drops the same branches
        network.zero_grad(set_to_none=True)
        losses = compute()
        losses.sum().backward()
        return losses.detach(), embedding.weight.grad

    def ours():
        return step(
            model,
            model.backbone.patch_embed.projection,
            lambda: torch.stack(list(model(images, samples, mode='loss').values())),
        )

    return Case(
        ours,
        lambda: step(plain, plain.embed, lambda: textbook.losses(plain, images, tags, model.par)),
    )
