"""Alignment of score maps and label maps with the outlines of regions: superpixels, or the masks of
a generator such as SAM.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from .pseudo_labels import IGNORE


def segment_shares(labels: Tensor, segments: Tensor, num_labels: int) -> Tensor:
    """Share of each label among the pixels of every segment of a partition, written back to its
    pixels.

    Args:
        labels (Tensor): (H,W) integers 0..num_labels-1.
        segments (Tensor): (H,W) integers 0..S-1, one id per segment.
        num_labels (int): K.

    Returns:
        Tensor: (K,H,W) float32; its sum over K is 1.

    Raises:
        ValueError: The sizes differ.
    """
    if labels.shape != segments.shape:
        raise ValueError(
            f'labels of {tuple(labels.shape)} do not fit segments of {tuple(segments.shape)}'
        )
    ids = segments.flatten().long()
    count = int(ids.max()) + 1 if ids.numel() else 0
    # one entry for each pair of segment and label: floating-point sums take ten times as long
    pairs = ids * num_labels + labels.flatten()
    counts = torch.bincount(pairs, minlength=count * num_labels).view(count, num_labels).T.float()
    shares = counts / counts.sum(0).clamp(min=1)
    return shares[:, ids].view(num_labels, *labels.shape)


def segment_means(maps: Tensor, segments: Tensor) -> Tensor:
    """Mean of each map over every segment of a partition, written back to its pixels.

    Args:
        maps (Tensor): (K,H,W) float32.
        segments (Tensor): (H,W) integers 0..S-1, one id per segment.

    Returns:
        Tensor: (K,H,W) float32, constant inside every segment.

    Raises:
        ValueError: The sizes differ.
    """
    if maps.shape[-2:] != segments.shape:
        raise ValueError(
            f'maps of {tuple(maps.shape[-2:])} do not fit segments of {tuple(segments.shape)}'
        )
    ids = segments.flatten().long()
    areas = torch.bincount(ids)
    # sums over large segments lose digits in float32
    sums = maps.new_zeros(len(maps), len(areas), dtype=torch.float64)
    sums.index_add_(1, ids, maps.flatten(1).double())
    return (sums / areas.clamp(min=1)).float()[:, ids].view(maps.shape)


def merge_proposals(
    labels: Tensor,
    proposals: Iterable[Tensor],
    *,
    min_overlap: float = 0.5,
    min_cover: float = 0.85,
) -> Tensor:
    """Replace the regions of a seed label map by the mask proposals that belong to them (SEPL, Chen
    et al., "Segment Anything Model Enhanced Pseudo Labels for Weakly Supervised Semantic
    Segmentation", 2023).

    A proposal is assigned to the class that covers most of it. It is taken if that class covers at
    least ``min_overlap`` of the proposal (overlap vote), or if the proposal covers at least
    ``min_cover`` of the class (covered by). A class without an accepted proposal keeps its seed.
    Smaller proposals are written over larger ones.

    Args:
        labels (Tensor): (H,W) seed labels: 0 background, 255 ignored, class id + 1.
        proposals (Iterable[Tensor]): Masks (H,W) bool; only one is held at a time.
        min_overlap (float): Share of the proposal, in [0,1].
        min_cover (float): Share of the class, in [0,1].

    Returns:
        Tensor: (H,W) like ``labels``. Pixels of a replaced class outside of its proposals become
            background.

    Raises:
        ValueError: A proposal has another size; the message gives both.
    """
    present, areas = labels[(labels > 0) & (labels != IGNORE)].unique(return_counts=True)
    if not len(present):
        return labels.clone()
    accepted: list[tuple[int, int, Tensor]] = []
    for proposal in proposals:
        if proposal.shape != labels.shape:
            raise ValueError(
                f'a proposal of {tuple(proposal.shape)} does not fit labels of '
                f'{tuple(labels.shape)}'
            )
        inside = labels[proposal]
        overlaps = (inside[None] == present[:, None]).sum(1)
        best = int(overlaps.argmax())
        overlap, area = int(overlaps[best]), len(inside)
        if overlap and (overlap >= min_overlap * area or overlap >= min_cover * int(areas[best])):
            accepted.append((area, int(present[best]), proposal))
    replaced = {label for _, label, _ in accepted}
    result = labels.clone()
    for label in replaced:
        result[labels == label] = 0
    for _, label, proposal in sorted(accepted, key=lambda entry: -entry[0]):
        result[proposal] = label
    for label in set(present.tolist()) - replaced:
        result[labels == label] = label
    return result
