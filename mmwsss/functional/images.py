"""Pixel values of normalised images."""

from collections.abc import Sequence

import torch
from torch import Tensor


def denormalize(
    images: Tensor,
    mean: Sequence[float] | Tensor,
    std: Sequence[float] | Tensor,
    *,
    rounding: str | None = None,
) -> Tensor:
    """Undo the normalisation of images.

    Args:
        images (Tensor): (B,3,H,W) or (3,H,W), ``(pixel - mean) / std``.
        mean, std (sequence[float] | Tensor): Per channel, in grey levels 0..255; tensors on the
            device of the images avoid a copy.
        rounding (str, optional): ``'round'`` to whole grey levels in 0..255, ``'floor'`` truncates
            like the released code of MCC and CoSA (some values become one grey level too low), None
            keeps fractions.

    Returns:
        Tensor: Same shape, floating point, in grey levels.
    """
    images = images if images.dtype == torch.float64 else images.float()
    offset, scale = (
        (
            values.to(images) if isinstance(values, Tensor) else images.new_tensor(tuple(values))
        ).view(-1, 1, 1)
        for values in (mean, std)
    )
    images = images * scale + offset
    if rounding is None:
        return images
    if rounding not in ('round', 'floor'):
        raise ValueError(f"rounding must be 'round', 'floor' or None, got {rounding!r}")
    return (images.round() if rounding == 'round' else images.floor()).clamp_(0, 255)
