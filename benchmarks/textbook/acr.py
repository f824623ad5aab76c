"""ACR in its plain form: attention of every layer and head of both views is kept, and every class
is differentiated through the whole network. For comparison only."""

import torch
import torch.nn.functional as F
from torch import nn

from .mctformer import PlainBlock
from .weights import renamed_weights


class PlainACR(nn.Module):
    """The network of an :class:`mmwsss.models.algorithms.ACRClassifier` on a plain ViT, with a copy
    of its weights.
    """

    def __init__(self, model):
        super().__init__()
        backbone = model.backbone
        width, settings = backbone.embed_dims, backbone.arch_settings
        self.grid = tuple(backbone.patch_resolution)
        self.embed = nn.Conv2d(3, width, backbone.patch_size, backbone.patch_size)
        self.class_token = nn.Parameter(torch.empty(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, 1 + self.grid[0] * self.grid[1], width))
        self.blocks = nn.ModuleList(
            PlainBlock(width, settings['num_heads'], settings['feedforward_channels'], 0.0)
            for _ in range(settings['num_layers'])
        )
        self.head = nn.Linear(width, model.num_classes)
        names = {
            'backbone.cls_token': 'class_token',
            'backbone.pos_embed': 'positions',
            'backbone.patch_embed.projection.': 'embed.',
            'backbone.layers.': 'blocks.',
            'class_head.': 'head.',
            '.attn.': '.',
            '.ffn.layers.0.0.': '.fc1.',
            '.ffn.layers.1.': '.fc2.',
        }
        self.load_state_dict(renamed_weights(model, names))
        self.train(model.training)

    def forward(self, images):
        """Class logits (B,C) and attention (B,H,S,S) of every layer."""
        x = self.embed(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(len(images), -1, -1), x], 1) + self.positions
        attention = []
        for block in self.blocks:
            x, weights = block(x)
            attention.append(weights)
        return self.head(x[:, 0]), attention


def losses(model, images, tags, alpha, beta):
    """Classification of both views, activation and affinity consistency: (3,)."""
    first, attention1 = model(images)
    second, attention2 = model(images.flip(-1))
    # (L,B,S,S)
    attention1, attention2 = (
        torch.stack(attention).mean(2) for attention in (attention1, attention2)
    )
    rows, columns = model.grid
    order = torch.arange(rows * columns, device=images.device).view(rows, columns).flip(1).flatten()
    order = torch.cat([order.new_zeros(1), order + 1])
    difference = (attention1 - attention2[:, :, order][:, :, :, order]).abs()
    return torch.stack(
        [
            F.multilabel_soft_margin_loss(first, tags)
            + F.multilabel_soft_margin_loss(second, tags),
            alpha * difference[:, :, 0, 1:].mean(),
            beta * difference[:, :, 1:, 1:].mean(),
        ]
    )


def gradient_cams(model, image, classes, num_layers=2):
    """Refined maps (K,N) of one image (1,3,H,W): for each class one backward pass through the whole
    network, with all gradients.
    """
    logits, attention = model(image)
    for weights in attention:
        weights.retain_grad()
    affinity = sum(weights.detach().mean(1)[0, 1:, 1:] for weights in attention)
    cams = []
    for number in classes:
        model.zero_grad()
        for weights in attention:
            weights.grad = None
        logits[0, number].backward(retain_graph=True)
        gradient = sum(weights.grad[0].relu().mean(0)[0, 1:] for weights in attention[-num_layers:])
        cams.append(affinity @ gradient)
    return torch.stack(cams)
