"""DeepLab-V2 decode head."""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmwsss.registry import MODELS


@MODELS.register_module()
class DeepLabV2Head(BaseDecodeHead):
    """Atrous spatial pyramid pooling of DeepLab-V2: the sum of dilated 3x3 classifiers (Chen et
    al., TPAMI 2018).

    It has no normalisation, pooling branch or hidden layer. Weights are initialised from N(0, 0.01)
    and biases with 0.

    Args:
        in_channels (int): D of the feature map.
        num_classes (int): Classes, background included.
        dilations (Sequence[int]): Dilation of each classifier.
        options: Every other keyword option of
            :class:`mmseg.models.decode_heads.decode_head.BaseDecodeHead`.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        dilations: Sequence[int] = (6, 12, 18, 24),
        **options: Any,
    ) -> None:
        defaults = dict(dropout_ratio=0, init_cfg=dict(type='Normal', std=0.01, layer='Conv2d'))
        super().__init__(
            in_channels, num_classes, num_classes=num_classes, **{**defaults, **options}
        )
        del self.conv_seg
        self.convs = nn.ModuleList(
            nn.Conv2d(self.in_channels, self.out_channels, 3, padding=d, dilation=d)
            for d in dilations
        )

    def forward(
        self, inputs: list[Tensor] | tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
    ) -> Tensor:
        """Logits (B,num_classes,h,w) from the feature maps of the backbone."""
        x = self._transform_inputs(inputs)
        if self.dropout is not None:
            x = self.dropout(x)
        return sum(conv(x) for conv in self.convs)
