"""Class maps and class scores from patch tokens."""

from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmwsss.functional.pooling import (
    global_average_pool,
    global_max_pool,
    global_weighted_ranking_pool,
)
from mmwsss.registry import MODELS


@MODELS.register_module()
class PatchCAMHead(BaseModule):
    """3x3 convolution to class maps, pooled to logits (MCTformer V2 and +, Eq. 7-8).

    Args:
        num_classes (int): C.
        embed_dims (int): D.
        pooling (str): ``'gap'`` (V2), ``'gmp'`` or ``'gwrp'`` (+) of the raw maps.
        decay (float): GWRP weight of a rank relative to the one before.
    """

    def __init__(
        self,
        num_classes: int,
        embed_dims: int,
        *,
        pooling: str = 'gwrp',
        decay: float = 0.996,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if pooling not in ('gap', 'gmp', 'gwrp'):
            raise ValueError(f"pooling must be 'gap', 'gmp' or 'gwrp', got {pooling!r}")
        if not 0 < decay <= 1:
            raise ValueError(f'decay must be in (0, 1], got {decay}')
        self.conv = nn.Conv2d(embed_dims, num_classes, 3, padding=1)
        self.pooling = pooling
        self.decay = decay

    def forward(self, patch_map: Tensor) -> Tensor:
        """(B,D,h,w) -> raw class maps (B,C,h,w)."""
        return self.conv(patch_map)

    def pool(self, cams: Tensor) -> Tensor:
        """Raw class maps (B,C,h,w) -> logits (B,C)."""
        if self.pooling == 'gap':
            return global_average_pool(cams)
        if self.pooling == 'gmp':
            return global_max_pool(cams)
        return global_weighted_ranking_pool(cams, self.decay)
