"""Conversion of class tokens and position embeddings: from one image token to C class tokens, and
from one grid to another.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from .precision import at_least_float32


def resize_grid(
    grid: Tensor,
    size: tuple[tuple[int, int], tuple[int, int]],
    *,
    mode: str = 'bicubic',
    offset: float = 0.0,
    antialias: bool = False,
) -> Tensor:
    """Resize a grid of position embeddings.

    Args:
        grid (Tensor): (1,h*w,D), row-major.
        size (tuple): ``((h, w), (new_h, new_w))``.
        mode (str): ``'bicubic'`` (a=-0.75) or ``'bilinear'``, both with align_corners=False; or
            ``'nearest'``, which copies each cell to a block and needs an exact integer multiple.
        offset (float): Sampling scale becomes ``(new + offset) / old`` instead of ``new / old``:
            the rule with which the released weights of MCTformer V1 and V2 were trained (0.1).
        antialias (bool): Low-pass filter of timm and of DINOv2 with registers; it uses a different
            cubic coefficient, so that enlarged grids differ too.

    Returns:
        Tensor: (1,new_h*new_w,D) in the dtype of ``grid``.
    """
    (h, w), (new_h, new_w) = size
    planes = grid.reshape(1, h, w, -1).permute(0, 3, 1, 2)
    if mode == 'nearest':
        if new_h % h or new_w % w:
            raise ValueError(
                f'nearest resize needs integer multiples, got {h}x{w} -> {new_h}x{new_w}'
            )
        planes = planes.repeat_interleave(new_h // h, 2).repeat_interleave(new_w // w, 3)
    elif offset:
        planes = F.interpolate(
            at_least_float32(planes),
            scale_factor=((new_h + offset) / h, (new_w + offset) / w),
            mode=mode,
            align_corners=False,
            antialias=antialias,
        )
    else:
        planes = F.interpolate(
            at_least_float32(planes),
            size=(new_h, new_w),
            mode=mode,
            align_corners=False,
            antialias=antialias,
        )
    return planes.to(grid.dtype).flatten(2).transpose(1, 2)


def resize_position_embedding(
    pos_embed: Tensor,
    num_extra: int,
    size: tuple[tuple[int, int], tuple[int, int]],
    *,
    mode: str = 'bicubic',
    offset: float = 0.0,
    antialias: bool = False,
) -> Tensor:
    """Resize the patch part of ``pos_embed`` (1,num_extra+h*w,D); the first ``num_extra`` rows
    stay.
    """
    extra, grid = pos_embed[:, :num_extra], pos_embed[:, num_extra:]
    return torch.cat(
        [extra, resize_grid(grid, size, mode=mode, offset=offset, antialias=antialias)], 1
    )


def repeat_class_token(token: Tensor, num_tokens: int) -> Tensor:
    """Repeat a pre-trained class token or its position (1,1,D) to (1,num_tokens,D); all copies are
    initially identical.
    """
    return token.repeat(1, num_tokens, 1)
