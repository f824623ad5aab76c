"""Affinity networks without their trunks: random walks and pair losses."""
import torch
from torch.nn import functional as F

from mmwsss.functional import affinity

from ..textbook import affinity as textbook
from . import Case


def walk(device, quick):
    """PSA random walk of 64 steps on the grid of a 375 x 500 image: present classes as sparse products, against 21 planes and T^64."""
    size, classes = ((12, 15), 5) if quick else ((47, 63), 21)
    torch.manual_seed(0)
    features = F.interpolate(torch.randn(1, 64, 6, 8), size=size, mode='bilinear').to(device)
    weights = affinity.affinity_l1(features, 5)[0]
    planes = torch.zeros(classes, *size, device=device)
    present = [0, 2, 4]
    planes[present] = F.interpolate(torch.rand(1, 3, 5, 6), size=size, mode='bilinear')[0].to(device)

    def ours():
        scores = affinity.random_walk(weights, planes[present], 5, beta=8, num_steps=64)
        return scores, torch.tensor(present, device=device)[scores.argmax(0)]

    def plainly():
        scores = textbook.dense_random_walk(weights, planes, 5, beta=8, log2_steps=6)
        return scores[present], scores.argmax(0)

    return Case(ours, plainly)


def irn_walk(device, quick):
    """IRN random walk of 256 steps at stride 4. The dense form needs a matrix of (h w)^2: a quarter of the side of a 375 x 500 image."""
    size = (10, 12) if quick else (47, 63)
    torch.manual_seed(0)
    edge = F.interpolate(torch.rand(1, 1, 6, 8), size=size, mode='bilinear')[0, 0].to(device)
    planes = torch.rand(3, *size, device=device)

    def ours():
        weights = affinity.affinity_edge(F.pad(edge, (5, 5, 5, 5), value=1.)[None], 5, full_border=True)
        inner = weights.unflatten(-1, (size[0] + 10, size[1] + 10))[..., 5:-5, 5:-5].flatten(-2)
        return affinity.random_walk(inner, (planes * (1 - edge))[None], 5, beta=10, num_steps=256, full_border=True,
                                    offsets=affinity.path_offsets(5))[0]

    return Case(ours, lambda: textbook.dense_edge_walk(edge, planes))


def pair_loss(device, quick):
    """PSA loss and its gradient on features of two 448 x 448 images: shifted views, against gathering 448 channels of every pair."""
    channels, side = (16, 14) if quick else (448, 56)
    torch.manual_seed(0)
    features = torch.randn(2, channels, side, side, device=device, requires_grad=True)
    label = torch.randint(0, 3, (2, side, side), device=device)

    def run(affinities, loss):
        features.grad = None
        value = loss(affinities(features, 5), label, 5)
        value = value[0] if isinstance(value, tuple) else value
        value.backward()
        return value.detach(), features.grad

    return Case(lambda: run(affinity.affinity_l1, affinity.affinity_loss), lambda: run(textbook.affinity_l1, textbook.affinity_loss))
