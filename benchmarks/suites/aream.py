"""AReAM on DeiT-S: a training step with all layers supervised, against kept scores and attention of
every head and N x N labels.
"""

from ..textbook import aream as textbook
from .mctformer import untrained
from .training import tagged_images, training_case


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
    images, tags, samples = tagged_images(model, device)
    return training_case(
        model, plain, images, samples, lambda: textbook.losses(plain, images, tags, model.par)
    )
