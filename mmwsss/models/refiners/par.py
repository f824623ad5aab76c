"""Pixel-adaptive refinement as a component."""

from collections.abc import Sequence

from torch import Tensor, nn

from mmwsss.functional.par import DILATIONS, neighbour_offsets, pixel_adaptive_refinement
from mmwsss.registry import MODELS


@MODELS.register_module()
class PAR(nn.Module):
    """Refine score maps with the colours of their images (AFA; AReAM Eq. 13-15).

    Args:
        dilations (tuple[int]): Distances of the rings of 8 neighbours.
        num_iters (int): Number of iterations (10; AFA on COCO uses 15).
        color_scale, position_scale (float): Sharpness of the colour and the position term, smaller
            is sharper.
        color_weight, position_weight (float): Weights of the two terms.
        normalize_kernel (bool): Make the weights of a pixel sum to 1. By default they sum to
            ``color_weight + position_weight`` = 1.01, as in the released code: ten iterations scale
            the scores by 1.1046, which affects thresholds but not argmax.
    """

    def __init__(
        self,
        dilations: Sequence[int] = DILATIONS,
        num_iters: int = 10,
        *,
        color_scale: float = 0.3,
        position_scale: float = 0.3,
        color_weight: float = 1.0,
        position_weight: float = 0.01,
        normalize_kernel: bool = False,
    ) -> None:
        super().__init__()
        if not dilations or min(dilations) < 1:
            raise ValueError(f'dilations must be positive integers, got {dilations}')
        if num_iters < 0:
            raise ValueError(f'num_iters must not be negative, got {num_iters}')
        self.dilations = tuple(int(dilation) for dilation in dilations)
        self.num_iters = int(num_iters)
        self.kernel = dict(
            color_scale=color_scale,
            position_scale=position_scale,
            color_weight=color_weight,
            position_weight=position_weight,
            normalize_kernel=normalize_kernel,
        )

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """Refine ``masks`` (B,K,h,w) with ``images`` (B,3,H,W) of any linear scale -> (B,K,H,W)
        float32, without gradient.

        Masks of another size are resized first (bilinear, align_corners True). K may be 0.
        """
        return pixel_adaptive_refinement(
            images, masks, self.dilations, self.num_iters, **self.kernel
        )

    def extra_repr(self) -> str:
        return f'{len(neighbour_offsets(self.dilations))} neighbours, num_iters={self.num_iters}'
