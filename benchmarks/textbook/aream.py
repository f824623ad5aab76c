"""AReAM in its plain form: scores and softmax of every layer and head are kept, pairs of patches
have N x N labels. For comparison only.
"""

import torch
import torch.nn.functional as F

from .mctformer import PlainMCTformerPlus


class PlainAReAM(PlainMCTformerPlus):
    """The network of a :class:`mmwsss.models.algorithms.AReAM`, with a copy of its weights."""

    def forward(self, images):
        """Class tokens (B,C,D), patch class maps (B,C,h,w), scores and attention (B,H,S,S) of every
        layer.
        """
        patches = self.embed(images)
        x = (
            torch.cat(
                [self.class_tokens.expand(len(images), -1, -1), patches.flatten(2).transpose(1, 2)],
                1,
            )
            + self.positions
        )
        scores, attention = [], []
        for block in self.blocks:
            batch, tokens, width = x.shape
            q, k, v = (
                block.qkv(block.ln1(x))
                .reshape(batch, tokens, 3, block.num_heads, -1)
                .permute(2, 0, 3, 1, 4)
            )
            scores.append((q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5)
            attention.append(scores[-1].softmax(-1))
            x = x + block.drop(
                block.proj((attention[-1] @ v).transpose(1, 2).reshape(batch, tokens, width))
            )
            x = x + block.drop(block.fc2(F.gelu(block.fc1(block.ln2(x)))))
        classes = self.num_classes
        return (
            x[:, :classes],
            self.head(x[:, classes:].transpose(1, 2).unflatten(2, patches.shape[-2:])),
            scores,
            attention,
        )


def minmax(maps):
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return (maps - low) / (high - low + 1e-8)


def losses(model, images, tags, refine, weight=0.2, low=0.25, high=0.7, decay=0.996):
    """Losses of a batch, (3,): tokens, patches, affinity; ``refine`` is the pixel-adaptive
    refinement ``(images, maps) -> maps``.
    """
    tokens, maps, scores, attention = model(images)
    values = maps.flatten(2).sort(-1, descending=True)[0]
    ranks = decay ** torch.arange(values.shape[-1], device=values.device)
    classes, grid = model.num_classes, maps.shape[-2:]
    logits = torch.stack(scores, 1).mean(2)[..., classes:, classes:]  # (B,L,N,N)
    stacked = torch.stack(attention, 1).mean(2)
    with torch.no_grad():
        cams = stacked[:, -3:, :classes, classes:].mean(1).view_as(maps) * maps.relu()
        cams = minmax(cams * tags[:, :, None, None])
        affinity = stacked[..., classes:, classes:]
        # Eq. 7: (B,L,C,N)
        refined = (affinity @ cams.flatten(2).transpose(1, 2)[:, None]).transpose(2, 3)
        p = refined.amax(2).double().softmax(-1)
        entropy = -(p * p.log()).sum(-1)
        bottom, top = entropy.amin(1, keepdim=True), entropy.amax(1, keepdim=True)
        w_hat = ((entropy - bottom) / (top - bottom)).float()
        mixed = ((1 - w_hat)[:, :, None, None] * affinity).sum(1)  # Eq. 11
        cams = minmax((mixed @ cams.flatten(2).transpose(1, 2)).transpose(1, 2).view_as(maps))
        size = images.shape[-2:]
        half = [side // 2 for side in size]
        present = tags.any(0).nonzero().flatten()
        cams = refine(
            F.interpolate(images, half, mode='bilinear'),
            F.interpolate(cams[:, present], half, mode='bilinear'),
        )
        cams = F.interpolate(cams, size, mode='bilinear').masked_fill(
            tags[:, present, None, None] == 0, -1
        )
        value, index = cams.max(1)
        label = torch.where(value > high, present[index] + 1, torch.where(value < low, 0, 255))
        label = F.interpolate(label[:, None].float(), grid, mode='nearest').flatten(1)
        known = (label != 255)[:, :, None] & (label != 255)[:, None]
        same = label[:, :, None] == label[:, None]
        pairs = torch.where(known, same.long(), 255)  # Eq. 17: (B,N,N)
    sigmoid = logits.sigmoid()
    alike, different = (pairs == 1)[:, None].float(), (pairs == 0)[:, None].float()
    per_layer = ((1 - sigmoid) * alike).sum((2, 3)) / alike.sum((2, 3)).clamp(min=1) + (
        sigmoid * different
    ).sum((2, 3)) / different.sum((2, 3)).clamp(min=1)
    return torch.stack(
        [
            F.multilabel_soft_margin_loss(tokens.mean(-1), tags),
            F.multilabel_soft_margin_loss((values * ranks).sum(-1) / ranks.sum(), tags),
            weight * (w_hat * per_layer).sum(1).mean(),
        ]
    )
