"""A training step of MCC with the work list of the released code: the encoder sees the image four
times and the second crop twice, and every masked view is a full pass. For comparison only."""

import torch
import torch.nn.functional as F
from torch import nn

from mmwsss.functional.masking import sample_key_masks

from .par import PlainPAR, labels_two_pass
from .weights import renamed_weights


class PlainBlock(nn.Module):
    """Pre-norm transformer layer; ``hidden`` (B,S) marks keys that nobody attends to."""

    def __init__(self, width, num_heads, channels):
        super().__init__()
        self.num_heads = num_heads
        self.ln1, self.ln2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, channels), nn.Linear(channels, width)

    def forward(self, x, hidden=None):
        batch, tokens, width = x.shape
        q, k, v = (
            self.qkv(self.ln1(x))
            .reshape(batch, tokens, 3, self.num_heads, -1)
            .permute(2, 0, 3, 1, 4)
        )
        bias = (
            None
            if hidden is None
            else torch.zeros_like(hidden, dtype=x.dtype).masked_fill(hidden, -torch.inf)[
                :, None, None
            ]
        )
        x = x + self.proj(
            F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
            .transpose(1, 2)
            .reshape(batch, tokens, width)
        )
        return x + self.fc2(F.gelu(self.fc1(self.ln2(x))))


class PlainMCC(nn.Module):
    """The network of a :class:`mmwsss.models.algorithms.MCC`, with a copy of its weights; its
    teacher is one of equal weights.
    """

    def __init__(self, model):
        super().__init__()
        backbone = model.backbone
        width, channels = backbone.embed_dims, backbone.arch_settings['feedforward_channels']
        self.num_classes, self.grid, self.aux_layer = (
            model.num_classes,
            tuple(backbone.patch_resolution),
            backbone.aux_layer,
        )
        self.embed = nn.Conv2d(3, width, backbone.patch_size, backbone.patch_size)
        self.class_token = nn.Parameter(torch.empty(1, 1, width))
        self.positions = nn.Parameter(
            torch.empty(1, 1 + self.grid[0] * self.grid[1], width), requires_grad=False
        )
        self.blocks = nn.ModuleList(
            PlainBlock(width, backbone.arch_settings['num_heads'], channels)
            for _ in backbone.layers
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.classifier, self.aux_classifier = (
            nn.Conv2d(width, self.num_classes, 1, bias=False) for _ in range(2)
        )
        head, dilation = model.decode_head, model.decode_head.conv6.dilation
        self.decoder = nn.Sequential(
            nn.Conv2d(width, head.channels, 3, padding=dilation, dilation=dilation, bias=False),
            nn.ReLU(),
            nn.Conv2d(
                head.channels, head.channels, 3, padding=dilation, dilation=dilation, bias=False
            ),
            nn.ReLU(),
            nn.Conv2d(head.channels, self.num_classes + 1, 1, bias=False),
        )
        hidden, bottleneck = (
            model.projector.mlp[0].out_features,
            model.projector.mlp[4].out_features,
        )
        self.projector, self.teacher = (
            nn.ModuleDict(
                dict(
                    mlp=nn.Sequential(
                        nn.Linear(width, hidden),
                        nn.GELU(),
                        nn.Linear(hidden, hidden),
                        nn.GELU(),
                        nn.Linear(hidden, bottleneck),
                    ),
                    last_layer=nn.Linear(
                        bottleneck, model.projector.last_layer.out_features, bias=False
                    ),
                )
            )
            for _ in range(2)
        )
        names = {
            'backbone.cls_token': 'class_token',
            'backbone.pos_embed': 'positions',
            'backbone.patch_embed.projection.': 'embed.',
            'backbone.layers.': 'blocks.',
            'backbone.ln1.': 'norm.',
            '.attn.': '.',
            '.ffn.layers.0.0.': '.fc1.',
            '.ffn.layers.1.': '.fc2.',
            'decode_head.conv6.': 'decoder.0.',
            'decode_head.conv7.': 'decoder.2.',
            'decode_head.conv8.': 'decoder.4.',
        }
        weights = renamed_weights(model, names)
        state = {key: value for key, value in weights.items() if not key.startswith('teacher.')}
        state.update(
            {
                key.replace('projector.', 'teacher.'): value
                for key, value in state.items()
                if key.startswith('projector.')
            }
        )
        self.load_state_dict(state)

    def encode(self, images, hidden=None):
        """Class token (B,D), normalised map and map of the auxiliary layer (B,D,h,w)."""
        patches = self.embed(images)
        grid = patches.shape[-2:]
        planes = self.positions[:, 1:].transpose(1, 2).unflatten(2, self.grid)
        planes = (
            F.interpolate(planes, size=grid, mode='bicubic', align_corners=False)
            .flatten(2)
            .transpose(1, 2)
        )
        x = torch.cat(
            [self.class_token.expand(len(images), -1, -1), patches.flatten(2).transpose(1, 2)], 1
        )
        x = x + torch.cat([self.positions[:, :1], planes], 1)
        for index, block in enumerate(self.blocks):
            x = block(x, hidden)
            if index == self.aux_layer:
                aux = x[:, 1:].transpose(1, 2).unflatten(2, grid)
        x = self.norm(x)
        return x[:, 0], x[:, 1:].transpose(1, 2).unflatten(2, grid), aux

    def cams(self, images):
        """Main and auxiliary raw maps (B,C,h,w)."""
        _, patches, aux = self.encode(images)
        return F.conv2d(patches, self.classifier.weight), F.conv2d(aux, self.aux_classifier.weight)


def project(head, tokens):
    return F.linear(
        F.normalize(head['mlp'](tokens), dim=-1), F.normalize(head['last_layer'].weight, dim=-1)
    )


@torch.no_grad()
def multi_scale_cams(model, images, scales):
    """Main and auxiliary maps (B,C,H,W) of all classes: each scale with its flip, from scratch."""
    size = images.shape[-2:]
    totals = [0, 0]
    for scale in scales:
        x = F.interpolate(
            images, size=[int(scale * side) for side in size], mode='bilinear', align_corners=False
        )
        for index, maps in enumerate(model.cams(torch.cat([x, x.flip(-1)]))):
            maps = F.interpolate(maps, size=size, mode='bilinear', align_corners=False)
            totals[index] = (
                totals[index] + torch.max(maps[: len(images)], maps[len(images) :].flip(-1)).relu()
            )
    totals = [maps - maps.amin((2, 3), keepdim=True) for maps in totals]
    return [maps / (maps.amax((2, 3), keepdim=True) + 1e-5) for maps in totals]


def losses(model, ours, views, tags, boxes):
    """Weighted losses of a step: both classifiers, affinity, contrast, segmentation and, if it has
    a weight, energy.

    Args:
        model (PlainMCC): The network.
        ours (MCC): Settings, and the energy layer.
        views (list[Tensor]): Image, second crop, local view, (B,3,H,W) each.
        tags (Tensor): (B,C).
        boxes (Tensor): (B,4) y0, y1, x0, x1.
    """
    image, second, local = views
    high, low = ours.pseudo_label['high'], ours.pseudo_label['low']
    num, size, weight = len(image), image.shape[-2:], ours.loss_weights
    cams, aux_cams = multi_scale_cams(model, image, ours.pseudo_label['scales'])
    _, patches, aux = model.encode(image)
    grid = patches.shape[-2:]
    logits = F.conv2d(F.adaptive_max_pool2d(patches, 1), model.classifier.weight)[..., 0, 0]
    aux_logits = F.conv2d(F.adaptive_max_pool2d(aux, 1), model.aux_classifier.weight)[..., 0, 0]
    results = [
        F.multilabel_soft_margin_loss(logits, tags),
        F.multilabel_soft_margin_loss(aux_logits, tags),
    ]

    # affinity, a loop over images
    token_cams = (
        F.interpolate(aux_cams, size=grid, mode='bilinear', align_corners=False)
        * tags[:, :, None, None]
    )
    value, labels = token_cams.max(1)
    labels = torch.where(value > high, labels + 1, torch.where(value > low, 255, 0))
    affinity = 0
    for features, label, box in zip(patches, labels, boxes.tolist()):
        inside = torch.zeros_like(label, dtype=torch.bool)
        cell = [size[0] / grid[0], size[1] / grid[1]]
        inside[
            int(box[0] // cell[0]) : int(-(-box[1] // cell[0])),
            int(box[2] // cell[1]) : int(-(-box[3] // cell[1])),
        ] = True
        label = torch.where(inside, label, 255).flatten()
        tokens = features.flatten(1)
        similarity = F.cosine_similarity(tokens[:, :, None], tokens[:, None], dim=0).abs()
        counted = (
            (label[:, None] != 255)
            & (label[None] != 255)
            & ~torch.eye(len(label), dtype=torch.bool, device=label.device)
        )
        same, other = (
            counted & (label[:, None] == label[None]),
            counted & (label[:, None] != label[None]),
        )
        affinity = affinity + 0.5 * (1 - (similarity * same).sum() / (same.sum() + 1))
        affinity = affinity + 0.5 * (similarity * other).sum() / (other.sum() + 1)
    results.append(weight['affinity'] * affinity / num)

    # contrast: masks, flags, full passes of whole and of masked views
    masks = sample_key_masks(
        num, ours.num_masks, grid, scale=ours.mask_scale, ratio=ours.mask_ratio, device=image.device
    )
    value = (
        F.interpolate(aux_cams, size=grid, mode='bicubic', align_corners=False)
        * tags[:, :, None, None]
    ).amax(1)
    roi = torch.where(value >= high, 2.0, torch.where(value > low, 1.0, 0.0))
    visible = (~masks).float()
    flags = (roi[:, None] * visible).sum((2, 3)) > ours.min_object * visible.sum((2, 3))
    with torch.no_grad():
        teacher = project(
            model.teacher, torch.cat([model.encode(image)[0], model.encode(second)[0]])
        )
    hidden = F.pad(masks.transpose(0, 1).flatten(0, 1).flatten(1), (1, 0))
    tokens = torch.cat(
        [
            model.encode(image)[0],
            model.encode(second)[0],
            model.encode(local.repeat(ours.num_masks, 1, 1, 1), hidden)[0],
        ]
    )
    student = project(model.projector, tokens)
    contrast = 0
    for index in range(num):
        positive = [True, True, *flags[index].tolist()]
        for anchor in teacher[index::num]:
            scores = (student[index::num] @ anchor / ours.contrast_loss.temperature).exp()
            rest = (
                sum([score for score, good in zip(scores, positive) if not good], 0 * scores[0])
                + 1e-4
            )
            terms = [
                ((score + rest) / score).log() for score, good in zip(scores, positive) if good
            ]
            extra = ours.contrast_loss.for_else_term
            contrast = contrast + (sum(terms) + extra * (1 + rest).log()) / (
                2 * (sum(positive) + extra * 1e-4)
            )
    results.append(weight['contrast'] * contrast / num)

    # segmentation
    pixels = ours.pixels(image, rounding='round')
    labels = labels_two_pass(
        PlainPAR().to(image.device), pixels / 255, cams * tags[:, :, None, None], tags, high, low
    )
    for label, box in zip(labels, boxes.tolist()):
        outside = torch.ones_like(label, dtype=torch.bool)
        outside[box[0] : box[1], box[2] : box[3]] = False
        label[outside] = 255
    logits = F.interpolate(model.decoder(patches), size=size, mode='bilinear', align_corners=False)
    segmentation = 0
    for scores, label in zip(logits, labels):
        background, foreground = label == 0, (label != 0) & (label != 255)
        for chosen in (background, foreground):
            target = torch.where(chosen, label, 255)[None]
            total = F.cross_entropy(scores[None], target, ignore_index=255, reduction='sum')
            segmentation = segmentation + 0.5 * total / chosen.sum().clamp(1)
    results.append(weight['seg'] * segmentation / num)
    if weight['energy']:
        results.append(
            weight['energy'] * ours.energy_loss(logits, ours.pixels(image), labels, boxes)
        )
    return torch.stack(results)
