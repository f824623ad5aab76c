"""Local crops of a view around positions that are not confidently foreground (class token contrast
of ToCo).
"""

import torch
from torch import Tensor


def sample_uncertain_crops(
    roi: Tensor, num_crops: int, size: int, *, generator: torch.Generator | None = None
) -> Tensor:
    """Random positions of crops whose centre is not confidently foreground.

    Args:
        roi (Tensor): (B,H,W), 0 background, 1 uncertain, 2 object.
        num_crops (int): M, crops of each image.
        size (int): Side of a crop in pixels; its centre is at least ``size // 2`` from every
            border.
        generator (torch.Generator, optional): Source of the random numbers.

    Returns:
        Tensor: (B,M,2) int64, upper left corners y, x. Centres are uncertain or background pixels,
            drawn without replacement; any pixel where an image has fewer than M of these.

    Raises:
        ValueError: A crop is larger than the map.
    """
    height, width = roi.shape[-2:]
    if size > min(height, width):
        raise ValueError(f'crops of {size} pixels do not fit a view of {width}x{height}')
    half = size // 2
    centres = roi[:, half : height - size + half + 1, half : width - size + half + 1]
    columns = centres.shape[-1]
    candidates = (centres <= 1).flatten(1)
    # an image with too few uncertain positions uses all of its positions
    candidates = candidates | (candidates.sum(1, keepdim=True) < num_crops)
    if candidates.shape[1] < num_crops:  # fewer positions than crops: positions repeat
        index = torch.randint(
            candidates.shape[1], (len(roi), num_crops), device=roi.device, generator=generator
        )
    else:
        # the largest of random scores: a draw without replacement for all images at once
        scores = torch.rand(candidates.shape, device=roi.device, generator=generator)
        index = scores.masked_fill(~candidates, -1).topk(num_crops, 1).indices
    return torch.stack([index.div(columns, rounding_mode='floor'), index % columns], 2)


def take_crops(images: Tensor, corners: Tensor, size: int) -> Tensor:
    """Crops at ``corners`` (B,M,2) of (B,...,H,W): a tensor (B,M,...,size,size)."""
    batch, num_crops = corners.shape[:2]
    middle = images.shape[1:-2]
    steps = torch.arange(size, device=corners.device)
    rows, columns = (corners[:, :, axis, None] + steps for axis in (0, 1))
    # positions in the flat image: one gather reads all crops, whatever the axes in between
    index = (rows[..., None] * images.shape[-1] + columns[:, :, None]).flatten(2)
    index = index.view(batch, num_crops, *(1,) * len(middle), -1).expand(-1, -1, *middle, -1)
    # expanded, not copied, for each crop
    pixels = images.flatten(-2)[:, None].expand(-1, num_crops, *(-1,) * (len(middle) + 1))
    return pixels.gather(-1, index).unflatten(-1, (size, size))
