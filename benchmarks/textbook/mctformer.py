"""MCTformer+ in its plain form: softmax attention of every layer and head is kept and returned. For
comparison only.
"""

import torch
import torch.nn.functional as F
from torch import nn

from .weights import renamed_weights


class PlainBlock(nn.Module):
    """Pre-norm transformer layer that also returns its attention (B,H,S,S)."""

    def __init__(self, width, num_heads, hidden, drop_path):
        super().__init__()
        self.num_heads, self.drop_path = num_heads, drop_path
        self.ln1, self.ln2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def drop(self, branch):
        if not self.training or self.drop_path == 0:
            return branch
        keep = 1 - self.drop_path
        return (
            branch.div(keep)
            * (keep + torch.rand((len(branch), 1, 1), device=branch.device)).floor()
        )

    def forward(self, x):
        batch, tokens, width = x.shape
        q, k, v = (
            self.qkv(self.ln1(x))
            .reshape(batch, tokens, 3, self.num_heads, -1)
            .permute(2, 0, 3, 1, 4)
        )
        weights = ((q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5).softmax(-1)
        x = x + self.drop(self.proj((weights @ v).transpose(1, 2).reshape(batch, tokens, width)))
        x = x + self.drop(self.fc2(F.gelu(self.fc1(self.ln2(x)))))
        return x, weights


class PlainMCTformerPlus(nn.Module):
    """The network of a :class:`mmwsss.models.algorithms.MCTformerPlus`, with a copy of its
    weights.
    """

    def __init__(self, model):
        super().__init__()
        backbone = model.backbone
        width, hidden = backbone.embed_dims, backbone.arch_settings['feedforward_channels']
        rates = [
            layer.attn.out_drop.drop_prob if hasattr(layer.attn.out_drop, 'drop_prob') else 0.0
            for layer in backbone.layers
        ]
        self.num_classes, self.grid = model.num_classes, tuple(backbone.patch_resolution)
        self.embed = nn.Conv2d(3, width, backbone.patch_size, backbone.patch_size)
        self.class_tokens = nn.Parameter(torch.empty(1, model.num_classes, width))
        self.positions = nn.Parameter(
            torch.empty(1, model.num_classes + self.grid[0] * self.grid[1], width)
        )
        self.blocks = nn.ModuleList(
            PlainBlock(width, backbone.arch_settings['num_heads'], hidden, rate) for rate in rates
        )
        self.head = nn.Conv2d(width, model.num_classes, 3, padding=1)
        names = {
            'backbone.cls_token': 'class_tokens',
            'backbone.pos_embed': 'positions',
            'backbone.patch_embed.projection.': 'embed.',
            'backbone.layers.': 'blocks.',
            'patch_head.conv.': 'head.',
            '.attn.': '.',
            '.ffn.layers.0.0.': '.fc1.',
            '.ffn.layers.1.': '.fc2.',
        }
        self.load_state_dict(renamed_weights(model, names))
        self.train(model.training)

    def forward(self, images):
        """Class tokens (B,C,D) after every layer, patch class maps (B,C,h,w), attention (B,H,S,S)
        of every layer.
        """
        patches = self.embed(images)
        grid = patches.shape[-2:]
        positions = self.positions
        if tuple(grid) != self.grid:
            planes = positions[:, self.num_classes :].transpose(1, 2).unflatten(2, self.grid)
            planes = (
                F.interpolate(planes, size=grid, mode='bicubic', align_corners=False)
                .flatten(2)
                .transpose(1, 2)
            )
            positions = torch.cat([positions[:, : self.num_classes], planes], 1)
        x = (
            torch.cat(
                [self.class_tokens.expand(len(images), -1, -1), patches.flatten(2).transpose(1, 2)],
                1,
            )
            + positions
        )
        class_tokens, attention = [], []
        for block in self.blocks:
            x, weights = block(x)
            class_tokens.append(x[:, : self.num_classes])
            attention.append(weights)
        return (
            class_tokens,
            self.head(x[:, self.num_classes :].transpose(1, 2).unflatten(2, grid)),
            attention,
        )


def losses(model, images, tags, decay=0.996):
    """Classification losses and class-token contrast of a batch, (3,): tokens, patches,
    contrast.
    """
    class_tokens, maps, _ = model(images)
    values = maps.flatten(2).sort(-1, descending=True)[0]
    weights = decay ** torch.arange(values.shape[-1], device=values.device)
    contrast = 0
    for tokens in class_tokens:
        tokens = F.normalize(tokens, dim=-1)
        similarity = tokens @ tokens.transpose(-2, -1)
        targets = torch.arange(similarity.shape[-1], device=similarity.device).expand(
            len(similarity), -1
        )
        rows = F.cross_entropy(similarity.transpose(1, 2), targets, reduction='none')
        contrast = contrast + ((rows * tags).sum(-1) / (tags.sum(-1) + 1e-8)).mean() / len(
            class_tokens
        )
    return torch.stack(
        [
            F.multilabel_soft_margin_loss(class_tokens[-1].mean(-1), tags),
            F.multilabel_soft_margin_loss((values * weights).sum(-1) / weights.sum(), tags),
            contrast,
        ]
    )


@torch.no_grad()
def multi_scale_cams(model, views, tags, size):
    """CAMs (K,H,W) of one image: a pass for each view (1,3,h,w) and its flip, all classes, absent
    ones thrown away in the end.

    As the released code does, attention of all layers and heads is stacked and then averaged, and
    the refinement broadcasts the affinity over the classes.
    """
    total = 0
    classes = model.num_classes
    for view in views:
        for flip in (False, True):
            _, maps, attention = model(view.flip(-1) if flip else view)
            attention = torch.stack(attention).mean(2)  # (L,B,S,S)
            class_attention = attention.mean(0)[:, :classes, classes:].view_as(maps)
            affinity = attention[:, :, classes:, classes:].sum(0)
            cams = (class_attention * maps.relu()).sqrt()
            cams = torch.matmul(affinity[:, None], cams.flatten(2)[..., None]).view_as(maps)
            cams = (
                F.interpolate(cams, size=size, mode='bilinear', align_corners=False)
                * tags[:, :, None, None]
            )
            total = total + (cams.flip(-1) if flip else cams)
    cams = total[0][tags[0] > 0]
    low, high = cams.amin((1, 2), keepdim=True), cams.amax((1, 2), keepdim=True)
    return (cams - low) / (high - low + 1e-8)
