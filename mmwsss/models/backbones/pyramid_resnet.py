"""ResNet that also returns its stem."""

from collections.abc import Sequence
from typing import Any

from mmseg.models.backbones import ResNet
from torch import Tensor

from mmwsss.checkpoints.wrapped import refuse_foreign_weights
from mmwsss.registry import MODELS


@MODELS.register_module()
class PyramidResNet(ResNet):
    """:class:`mmseg.models.backbones.ResNet` whose first output is the stem after max-pooling (the
    trunk of IRN).

    torchvision weights (``init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')``)
    load unchanged. The defaults are IRN's trunk: five maps of 64, 256, 512, 1024 and 2048 channels
    at strides 4, 4, 8, 16 and 16, all frozen.

    Args:
        depth (int): 18, 34, 50, 101 or 152.
        strides (Sequence[int]): Stride of the first block of each stage.
        dilations (Sequence[int]): Dilation of each stage.
        frozen_stages (int): Number of stages that are not trained, in addition to the stem; -1
            trains everything.
        norm_eval (bool): Normalise with the stored statistics.
        options: Every other keyword option of the parent, except ``out_indices``: all maps are
            returned.
    """

    def __init__(
        self,
        depth: int = 50,
        *,
        strides: Sequence[int] = (1, 2, 2, 1),
        dilations: Sequence[int] = (1, 1, 1, 1),
        frozen_stages: int = 4,
        norm_eval: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(
            depth,
            strides=strides,
            dilations=dilations,
            frozen_stages=frozen_stages,
            norm_eval=norm_eval,
            **options,
        )
        widths = [
            self.base_channels * 2**stage * self.block.expansion for stage in range(self.num_stages)
        ]
        self.out_channels = (self.stem_channels, *widths)
        out_strides = [4]
        for stride in strides:
            out_strides.append(out_strides[-1] * stride)
        self.out_strides = tuple(out_strides)
        refuse_foreign_weights(self)

    def train(self, mode: bool = True) -> 'PyramidResNet':
        """Set the mode as the parent, whose method returns None."""
        super().train(mode)
        return self

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Compute the pyramid.

        Args:
            inputs (Tensor): (B,3,H,W).

        Returns:
            tuple[Tensor]: Stem and stages, (B,D,h,w) each, with ``out_channels`` channels at
            ``out_strides``.
        """
        x = self.stem(inputs) if self.deep_stem else self.relu(self.norm1(self.conv1(inputs)))
        x = self.maxpool(x)
        levels = [x]
        for name in self.res_layers:
            x = getattr(self, name)(x)
            levels.append(x)
        return tuple(levels)
