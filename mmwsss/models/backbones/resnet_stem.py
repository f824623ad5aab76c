"""Convolutional stem of the hybrid vision transformers: a ResNet without its last stage."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.registry import MODELS

NUM_GROUPS = 32
# default initialisation of convolutional networks
CONVOLUTIONAL = [
    dict(type='Kaiming', layer='Conv2d'),
    dict(type='Constant', val=1, layer='BatchNorm2d'),
]


def pad_same(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """Pad (B,D,H,W) so that a convolution gives ceil(H/stride) x ceil(W/stride) cells, the smaller
    half in front (TensorFlow's SAME).
    """
    # pixels by which the last of ceil(side / stride) windows exceeds the image
    total = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:]]
    if not any(total):
        return x
    top, left = (side // 2 for side in total)
    return F.pad(x, (left, total[1] - left, top, total[0] - top), value=value)


class StandardizedConv2d(nn.Conv2d):
    """Convolution without bias and with SAME padding; the weights of each output channel are
    standardised, ``(W - mean) / (std + 1e-5)`` with the biased standard deviation."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        std, mean = torch.std_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        return F.conv2d(
            pad_same(x, self.kernel_size[0], self.stride[0]),
            (self.weight - mean) / (std + 1e-5),
            stride=self.stride,
        )


class ConvNorm(nn.Module):
    """Standardised convolution and group norm."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = StandardizedConv2d(in_channels, out_channels, kernel_size, stride)
        self.norm = nn.GroupNorm(NUM_GROUPS, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class Bottleneck(nn.Module):
    """Non-preactivation bottleneck; the stride is that of the 3x3 convolution and of the
    shortcut.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, downsample: bool) -> None:
        super().__init__()
        middle = out_channels // 4
        self.conv1, self.norm1 = (
            StandardizedConv2d(in_channels, middle, 1),
            nn.GroupNorm(NUM_GROUPS, middle),
        )
        self.conv2, self.norm2 = (
            StandardizedConv2d(middle, middle, 3, stride),
            nn.GroupNorm(NUM_GROUPS, middle),
        )
        self.conv3, self.norm3 = (
            StandardizedConv2d(middle, out_channels, 1),
            nn.GroupNorm(NUM_GROUPS, out_channels),
        )
        self.downsample = ConvNorm(in_channels, out_channels, 1, stride) if downsample else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.norm1(self.conv1(x)).relu()
        x = self.norm2(self.conv2(x)).relu()
        return (self.norm3(self.conv3(x)) + shortcut).relu()


@MODELS.register_module()
class ResNetStem(BaseModule):
    """First stages of a ResNet with weight-standardised convolutions, GroupNorm and SAME padding,
    projected to tokens.

    No normalisation depends on the batch. SAME padding is asymmetric at stride 2, so the stem is
    not exactly flip-equivariant. Parameter names are those of timm.

    Args:
        embed_dims (int): Token width D.
        input_size (tuple[int]): (H,W) for which position embeddings are learnt.
        depths (tuple[int]): Number of blocks of each stage; the first stage has stride 1, the
            others 2.
        channels (tuple[int]): Output channels of each stage.
        stem_channels (int): Output channels of the 7x7 convolution.
        in_channels (int): Image channels.
    """

    def __init__(
        self,
        embed_dims: int,
        *,
        input_size: Sequence[int],
        depths: Sequence[int] = (3, 4, 9),
        channels: Sequence[int] = (256, 512, 1024),
        stem_channels: int = 64,
        in_channels: int = 3,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(depths) != len(channels):
            raise ValueError(
                f'depths and channels must have one entry per stage, got {depths} and {channels}'
            )
        self.stem = ConvNorm(in_channels, stem_channels, 7, 2)
        self.stages = nn.Sequential()
        width = stem_channels
        for index, (depth, out_channels) in enumerate(zip(depths, channels)):
            stage = nn.Module()
            stage.blocks = nn.Sequential(
                *(
                    Bottleneck(
                        width if block == 0 else out_channels,
                        out_channels,
                        2 if index and block == 0 else 1,
                        block == 0,
                    )
                    for block in range(depth)
                )
            )
            self.stages.append(stage)
            width = out_channels
        self.projection = nn.Conv2d(width, embed_dims, 1)
        self.stride = 4 * 2 ** (len(depths) - 1)
        self.init_out_size = tuple(-(-side // self.stride) for side in input_size)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B,3,H,W) -> maps of the pooled stem and of the last stage."""
        first = F.max_pool2d(pad_same(self.stem(x).relu(), 3, 2, value=float('-inf')), 3, 2)
        x = first
        for stage in self.stages:
            x = stage.get_submodule('blocks')(x)
        return first, x

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """(B,3,H,W) -> tokens (B,h*w,D) in row-major order, and (h,w) = ceil((H,W)/stride)."""
        x = self.projection(self.features(x)[1])
        height, width = x.shape[-2:]
        return x.flatten(2).transpose(1, 2), (height, width)
