"""Label maps from activation maps: 0 background, 255 ignore, class c (0-based) is label c+1.

Boxes are (B,4) integers y0, y1, x0, x1 in pixels of the map: the part of a padded crop that the
image covers. Labels outside are 255.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .cam import resize_maps

IGNORE = 255


def class_labels(classes: Tensor) -> Tensor:
    """Labels of [background, classes].

    Args:
        classes: (...,K) 0-based class ids.

    Returns:
        (...,K+1): 0, then class id + 1.
    """
    return F.pad(classes + 1, (1, 0))


def to_class_ids(slots: Tensor, classes: Tensor) -> Tensor:
    """Convert labels that index the maps of a stack (0, 1..K, 255) to labels of the data set.

    Args:
        slots: Integers of any shape, or (B,...) if the classes differ between images.
        classes: 0-based class of each map: (K,), or (B,K).

    Returns:
        Like ``slots``: 0 background, class id + 1, 255 ignored.
    """
    names = class_labels(classes)
    table = names.new_full((*names.shape[:-1], IGNORE + 1), IGNORE)
    table[..., : names.shape[-1]] = names
    if table.dim() == 1:
        return table[slots]
    return table.gather(1, slots.flatten(1)).view_as(slots)


def box_mask(boxes: Tensor, size: Sequence[int]) -> Tensor:
    """Pixels inside the boxes.

    Args:
        boxes (Tensor): (B,4) y0, y1, x0, x1; ends are exclusive.
        size (tuple[int]): (H,W).

    Returns:
        Tensor: (B,H,W) bool.
    """
    y0, y1, x0, x1 = boxes.long().view(-1, 4, 1, 1).unbind(1)
    # pixel coordinates on separate axes broadcast against the B corners
    y = torch.arange(size[0], device=boxes.device).view(1, -1, 1)
    x = torch.arange(size[1], device=boxes.device).view(1, 1, -1)
    return (y >= y0) & (y < y1) & (x >= x0) & (x < x1)


def boxes_on_grid(boxes: Tensor, size: Sequence[int], grid: Sequence[int]) -> Tensor:
    """Boxes (B,4) y0, y1, x0, x1 in pixels of (H,W) as the cells of a grid (h,w) that they
    touch.
    """
    height, width = size
    # starts are rounded down and ends up (-(-a // b)), so that every cell that is touched counts
    rows = torch.stack([boxes[:, 0] * grid[0] // height, -(-boxes[:, 1] * grid[0] // height)], 1)
    columns = torch.stack([boxes[:, 2] * grid[1] // width, -(-boxes[:, 3] * grid[1] // width)], 1)
    return torch.cat([rows, columns], 1)


def gated_maximum(cams: Tensor, tags: Tensor) -> tuple[Tensor, Tensor]:
    """Value and index (B,H,W) of the best class of ``cams`` (B,C,H,W), where maps of untagged
    classes count as 0; 0 without classes.
    """
    if cams.shape[1] == 0:
        return cams.new_zeros(len(cams), *cams.shape[-2:]), cams.new_zeros(
            len(cams), *cams.shape[-2:], dtype=torch.long
        )
    return (cams * tags.to(cams)[:, :, None, None]).max(1)


def cam_to_label(
    cams: Tensor,
    tags: Tensor,
    background: float = 0.5,
    *,
    high: float | None = None,
    low: float | None = None,
    boxes: Tensor | None = None,
) -> Tensor:
    """Labels by thresholds (MCC Eq. 11, CoSA Eq. 3; ToCo).

    Mode A (no ``high`` and ``low``): the best present class, background where its value is at most
    ``background``. Mode B: in addition, ignore where the value is at most ``high`` and background
    where it is at most ``low``.

    Args:
        cams (Tensor): (B,C,H,W) in [0,1].
        tags (Tensor): (B,C) multi-hot; an image without tags becomes background.
        background (float): Threshold of mode A.
        high, low (float, optional): Thresholds of mode B, both or none.
        boxes (Tensor, optional): (B,4), see the module.

    Returns:
        Tensor: (B,H,W) int64.
    """
    if (high is None) != (low is None):
        raise ValueError(f'high and low belong together, got high={high} and low={low}')
    value, label = gated_maximum(cams, tags)
    label = (label + 1).masked_fill_(value <= background, 0)
    if high is not None and low is not None:
        label.masked_fill_(value <= high, IGNORE).masked_fill_(value <= low, 0)
    return _ignore_outside(label, boxes)


def labels_eq16(
    refined: Tensor, tags: Tensor, low: float = 0.25, high: float = 0.7, boxes: Tensor | None = None
) -> Tensor:
    """Labels by two thresholds on refined maps (AReAM Eq. 16): class above ``high``, background
    below ``low``, else ignore.

    Args:
        refined (Tensor): (B,C,H,W), for example from PAR; only present classes count.
        tags (Tensor): (B,C) multi-hot; an image without tags becomes background.
        low, high (float): alpha_1 and alpha_2. PAR with its literal kernel scales maps by 1.105
            before this function.
        boxes (Tensor, optional): (B,4), see the module.

    Returns:
        Tensor: (B,H,W) int64.
    """
    if low > high:
        raise ValueError(f'low must not exceed high, got low={low} and high={high}')
    value, label = refined.masked_fill(tags[:, :, None, None] <= 0, -torch.inf).max(1)
    label = (label + 1).masked_fill_(value <= high, IGNORE).masked_fill_(value < low, 0)
    return _ignore_outside(label, boxes)


def present_slots(tags: Tensor, num_slots: int | None = None) -> tuple[Tensor, Tensor]:
    """Present classes of each image side by side, so that maps of absent classes need not be
    computed.

    Args:
        tags (Tensor): (B,C) multi-hot.
        num_slots (int, optional): K, if it is known on the host; otherwise it is read from the
            device.

    Returns:
        tuple[Tensor, Tensor]: Class ids (B,K) int64, ascending, with K the largest number of tags
        of an image, and (B,K) bool: whether the slot is in use (an image with fewer tags has slots
        of absent classes at the end).
    """
    present = tags > 0
    if num_slots is None:
        num_slots = most_tags(tags)
    classes = torch.argsort((~present).to(torch.uint8), dim=1, stable=True)[:, :num_slots]
    return classes, present.gather(1, classes)


def most_tags(tags: Tensor) -> int:
    """Largest number of tags of an image, from tags (B,C) on the host."""
    return int((tags > 0).sum(1).max()) if tags.numel() else 0


@torch.no_grad()
def labels_two_pass(
    images: Tensor | None,
    cams: Tensor,
    tags: Tensor,
    high: float = 0.7,
    low: float = 0.25,
    *,
    boxes: Tensor | None = None,
    par: Callable[..., Any] | None = None,
    downscale: int = 2,
    num_slots: int | None = None,
) -> Tensor:
    """Labels by two constant background scores that compete with the maps (AFA, ToCo, MCC; CoSA
    with ``par=None``).

    For each threshold: softmax over [threshold, present classes], refinement, argmax. Class where
    the high run predicts one, background where both runs do, else ignore. The weights of PAR depend
    on the image only and it treats all channels equally, so that both runs of all images are one
    call; channels of absent classes are left out, and images with fewer classes are zero-padded.

    Args:
        images (Tensor | None): (B,3,H,W), any linear scale; only ``par`` reads them.
        cams (Tensor): (B,C,h,w) in [0,1]; (h,w) gives the size of the labels, usually (H,W).
        tags (Tensor): (B,C) multi-hot; an image without tags becomes background.
        high, low (float): The two background scores.
        boxes (Tensor, optional): (B,4), see the module.
        par (callable, optional): ``(images (B,3,H',W'), masks (B,K,H',W')) -> (B,K,H',W')``, linear
            and the same for all channels. None: no refinement.
        downscale (int): Images and maps are resized to ``size // downscale`` (bilinear) in between;
            0 or 1 leaves them as they are.
        num_slots (int, optional): See :func:`present_slots`.

    Returns:
        Tensor: (B,H,W) int64.
    """
    size = tuple(cams.shape[-2:])
    cams = cams.to(torch.promote_types(cams.dtype, torch.float32))
    classes, filled = present_slots(tags, num_slots)
    num_slots = classes.shape[1]
    cams = cams.gather(1, classes[:, :, None, None].expand(-1, -1, *size))
    if downscale > 1:
        cams = _shrink(cams, downscale)
    cams = cams.masked_fill(~filled[:, :, None, None], -torch.inf)
    scores = torch.cat(
        [F.pad(cams, (0, 0, 0, 0, 1, 0), value=threshold).softmax(1) for threshold in (high, low)],
        1,
    )
    if par is not None:
        if images is None:
            raise ValueError('the refinement needs the images')
        images = images.float()
        scores = par(_shrink(images, downscale) if downscale > 1 else images, scores)
    scores = resize_maps(scores, size)
    label_high, label_low = (
        to_class_ids(part.max(1)[1], classes) for part in scores.split(num_slots + 1, 1)
    )
    label = label_high.masked_fill((label_high == 0) & (label_low != 0), IGNORE)
    return _ignore_outside(label, boxes)


def _shrink(maps: Tensor, factor: int) -> Tensor:
    return resize_maps(maps, [max(1, side // factor) for side in maps.shape[-2:]])


def _ignore_outside(label: Tensor, boxes: Tensor | None) -> Tensor:
    return label if boxes is None else label.masked_fill(~box_mask(boxes, label.shape[-2:]), IGNORE)
