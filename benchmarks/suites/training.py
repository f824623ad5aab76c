"""What the suites of training steps share: networks, images and the step itself."""

import torch
from torch import nn

from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

from . import Case

TINY = dict(embed_dims=64, num_layers=3, num_heads=2, feedforward_channels=256)


def peaked_network(config, device, quick):
    """Untrained network with attention as peaked as that of a trained one, so that maps have
    contrast.
    """
    if quick:
        config.backbone.update(arch=TINY, img_size=64)
    model = MODELS.build(config)
    model.backbone.init_weights()
    for layer in model.backbone.layers:
        nn.init.normal_(layer.attn.qkv.weight, std=1.5 * model.backbone.embed_dims**-0.5)
    return model.to(device)


def tagged_images(model, device):
    """Two images of the size of the network with tags of 20 classes: images, tags and samples."""
    images = torch.randn(2, 3, *model.backbone.img_size, device=device)
    tags = torch.zeros(2, 20, device=device)
    tags[0, [3, 14]] = tags[1, 7] = 1
    return images, tags, [WSSSDataSample().set_gt_tags(row) for row in tags]


def training_case(model, plain, inputs, samples, textbook_losses):
    """A training step of a network and of its plain form.

    Args:
        model: The network.
        plain: Its plain form, or the network itself.
        inputs: Images or views.
        samples: Their tags.
        textbook_losses: Function without arguments that returns the losses of ``plain``.

    Returns:
        Case: Losses, and the gradient of the patch embedding.
    """
    embedding = model.backbone.patch_embed.projection

    def losses():
        return torch.stack(list(model(inputs, samples, mode='loss').values()))

    return Case(
        lambda: _step(model, embedding, losses),
        lambda: _step(plain, getattr(plain, 'embed', embedding), textbook_losses),
    )


def _step(network, embedding, compute):
    torch.manual_seed(0)  # stochastic depth and masks draw the same numbers
    network.zero_grad(set_to_none=True)
    losses = compute()
    losses.sum().backward()
    return losses.detach(), embedding.weight.grad
