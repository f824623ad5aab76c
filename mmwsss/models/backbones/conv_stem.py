"""Convolutional patch embedding."""

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmwsss.registry import MODELS


@MODELS.register_module()
class ConvStem(BaseModule):
    """Stride-2 4x4 convolutions with batch norm and ReLU, then a 1x1 projection, in place of the
    linear patch embedding.

    Small transformers that start from random weights localise far better with it than with a linear
    patch embedding. An even kernel with padding 1 is centred between the two pixels that it
    replaces, so that the cells are aligned with the resized maps (an odd kernel would shift every
    map by half a stride). As with patches, the remainder at the right and the bottom is ignored.

    Args:
        channels (tuple[int]): Output channels of each stride-2 convolution; the stride of the stem
            is ``2**len(channels)``.
        embed_dims (int): Token width D.
        input_size (tuple[int]): (H,W) for which position embeddings are learnt.
        in_channels (int): Image channels.
    """

    def __init__(
        self,
        channels: Sequence[int],
        embed_dims: int,
        *,
        input_size: Sequence[int],
        in_channels: int = 3,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        layers = []
        for width in channels:
            layers += [
                nn.Conv2d(in_channels, width, 4, 2, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            in_channels = width
        self.layers = nn.Sequential(*layers)
        self.projection = nn.Conv2d(in_channels, embed_dims, 1)
        self.stride = 2 ** len(channels)
        self.init_out_size = tuple(side // self.stride for side in input_size)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """(B,3,H,W) -> tokens (B,h*w,D) in row-major order, and (h,w) = floor((H,W)/stride)."""
        x = self.projection(self.layers(x))
        height, width = x.shape[-2:]
        return x.flatten(2).transpose(1, 2), (height, width)
