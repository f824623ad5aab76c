"""Affinities and random walks the textbook way: index tables, gathered pairs and a dense matrix
squared. For benchmarks and tests only.
"""

import torch

from mmwsss.functional.affinity import line_paths, pair_offsets, path_offsets


def pair_indices(shape, radius, offsets=None):
    """Flat indices of the from cells (M,) and of their targets (P,M) on an (h,w) grid."""
    height, width = shape
    reach = radius - 1
    cells = torch.arange(height * width).view(height, width)
    rows, columns = max(height - reach, 0), max(width - 2 * reach, 0)

    def window(dy, dx):
        return cells[dy : dy + rows, reach + dx : reach + dx + columns].reshape(-1)

    offsets = pair_offsets(radius) if offsets is None else offsets
    return window(0, 0), torch.stack([window(dy, dx) for dy, dx in offsets])


def pair_labels(label, radius, offsets=None):
    """Float (B,P,M) maps of background, foreground and negative pairs, from gathered labels
    (B,h,w).
    """
    source, target = pair_indices(label.shape[-2:], radius, offsets)
    flat = label.flatten(1)
    one, two = flat[:, source][:, None], flat[:, target.view(-1)].view(len(flat), *target.shape)
    sure = (one != 255) & (two != 255)
    same = sure & (one == two)
    return (same & (one == 0)).float(), (same & (one != 0)).float(), (sure & ~same).float()


def affinity_l1(features, radius):
    """exp(-mean |f_i - f_j|) with all D channels of all pairs gathered: (B,D,h,w) -> (B,P,M)."""
    source, target = pair_indices(features.shape[-2:], radius)
    flat = features.flatten(2)
    one = flat[:, :, source].unsqueeze(2)
    two = flat[:, :, target.view(-1).to(flat.device)].view(*flat.shape[:2], *target.shape)
    return torch.exp(-(one - two).abs().mean(1))


def affinity_edge(edge, radius):
    """1 - max over gathered line paths, group by group of equally long paths: (B,h,w) ->
    (B,P,M).
    """
    height, width = edge.shape[-2:]
    flat, lengths = edge.flatten(1), {}
    for path in line_paths(radius):
        lengths.setdefault(len(path), []).append(path)
    affinities = []
    for paths in lengths.values():
        # (paths,cells,M)
        indices = torch.stack([pair_indices((height, width), radius, path)[1] for path in paths])
        values = flat[:, indices.view(-1).to(flat.device)].view(len(flat), *indices.shape)
        affinities.append(1 - values.amax(2))
    return torch.cat(affinities, 1)


def affinity_loss(affinity, label, radius, offsets=None, eps=1e-5):
    """PSA's loss from whole (B,P,M) label and logarithm tensors."""
    background, foreground, negative = pair_labels(label, radius, offsets)
    positive_nll, negative_nll = -torch.log(affinity + eps), -torch.log(1 + eps - affinity)

    def mean(mask, values):
        return (mask * values).sum() / (mask.sum() + eps)

    return (
        mean(background, positive_nll) / 4
        + mean(foreground, positive_nll) / 4
        + mean(negative, negative_nll) / 2
    )


def dense_affinity(affinity, shape, radius, offsets=None):
    """Symmetric (N,N) matrix with unit diagonal of the pairs (P,M) of an (h,w) grid."""
    source, target = pair_indices(shape, radius, offsets)
    size = shape[0] * shape[1]
    matrix = torch.eye(size, dtype=affinity.dtype, device=affinity.device)
    source, target = source.expand_as(target).to(affinity.device), target.to(affinity.device)
    matrix[source, target] = affinity
    matrix[target, source] = affinity
    return matrix


def dense_random_walk(affinity, x, radius, *, beta, log2_steps, offsets=None):
    """x T^(2^log2_steps) with T the column-normalised dense matrix, squared ``log2_steps`` times:
    (P,M), (K,h,w) -> (K,h,w).
    """
    transition = dense_affinity(affinity, x.shape[-2:], radius, offsets) ** beta
    transition = transition / transition.sum(0, keepdim=True)
    for _ in range(log2_steps):
        transition = transition @ transition
    return (x.flatten(1) @ transition).view_as(x)


def dense_edge_walk(edge, x, radius=5, *, beta=10, log2_steps=8):
    """IRN's walk: the boundary map (h,w) is padded with 1, the dense matrix cropped to the grid, x
    (K,h,w) damped by 1 - edge first.
    """
    height, width = edge.shape
    padded = torch.nn.functional.pad(edge, (radius, radius, 0, radius), value=1.0)
    matrix = dense_affinity(
        affinity_edge(padded[None], radius)[0], padded.shape, radius, path_offsets(radius)
    )
    inside = torch.zeros(padded.shape, dtype=torch.bool, device=edge.device)
    inside[:height, radius : radius + width] = True
    inside = inside.view(-1)
    transition = matrix[inside][:, inside] ** beta
    transition = transition / transition.sum(0, keepdim=True)
    for _ in range(log2_steps):
        transition = transition @ transition
    return ((x * (1 - edge)).flatten(1) @ transition).view_as(x)
