"""Work of the affinity networks beside their trunks: random walks and the loss of all pairs of
neighbours.
"""

import torch
from torch.nn import functional as F

from mmwsss.functional import affinity
from mmwsss.functional.random_walk import random_walk

from ..textbook import affinity as textbook
from . import Case

PRESENT = (0, 4, 15)  # background and two tags


def walk(device, quick):
    """PSA walk of 64 steps on the 47 x 63 cells of a 375 x 500 image: sparse, present classes only,
    against 21 classes and a dense matrix.

    Scores of the present classes, and the label of every cell.
    """
    size = (12, 15) if quick else (47, 63)
    weights = affinity.affinity_l1(_smooth(64, size)[None].to(device), 5)[0]
    seeds = torch.zeros(21, *size, device=device)
    seeds[list(PRESENT)] = _smooth(3, size).abs().to(device)

    def ours():
        scores = random_walk(weights, seeds[list(PRESENT)], 5, beta=8, num_steps=64)
        return scores, torch.tensor(PRESENT, device=device)[scores.argmax(0)]

    def plainly():
        scores = textbook.dense_random_walk(weights, seeds, 5, beta=8, log2_steps=6)
        return scores[list(PRESENT)], scores.argmax(0)

    return Case(ours, plainly)


def irn_walk(device, quick):
    """IRN walk of 256 steps up to the boundaries of a map of 47 x 63 cells, for two classes,
    against a dense matrix.
    """
    size = (12, 15) if quick else (47, 63)
    edge, seeds = _smooth(1, size)[0].sigmoid().to(device), _smooth(2, size).abs().to(device)

    def ours():
        weights = affinity.affinity_edge(edge[None], 5, full_border=True)[0]
        return random_walk(
            weights,
            seeds * (1 - edge),
            5,
            beta=10,
            num_steps=256,
            full_border=True,
            offsets=affinity.path_offsets(5),
        )

    return Case(ours, lambda: textbook.dense_edge_walk(edge, seeds, 5, beta=10, log2_steps=8))


def pair_loss(device, quick):
    """PSA loss of two 448 x 448 images and its gradient: 448 channels of 34 pairs per cell, on
    shifted views against gathered.
    """
    channels, side = (16, 14) if quick else (448, 56)
    features = (
        _smooth(2 * channels, (side, side))
        .view(2, channels, side, side)
        .to(device)
        .requires_grad_()
    )
    label = _smooth(2, (side, side)).mul(2).abs().long().clamp(max=3).to(device)
    label[label == 3] = 255

    def gradient(loss):
        return loss.detach(), torch.autograd.grad(loss, features)[0]

    return Case(
        lambda: gradient(affinity.affinity_loss(affinity.affinity_l1(features, 5), label, 5).total),
        lambda: gradient(textbook.affinity_loss(textbook.affinity_l1(features, 5), label, 5)),
    )


def _smooth(channels, size):
    """Random maps (D,h,w) with structure."""
    return F.interpolate(
        torch.randn(1, channels, 6, 8), size=size, mode='bilinear', align_corners=False
    )[0]
