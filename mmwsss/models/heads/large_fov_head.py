"""LargeFOV decode head of the single-stage methods."""

from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmwsss.registry import MODELS


@MODELS.register_module()
class LargeFOVHead(BaseDecodeHead):
    """Two dilated 3x3 convolutions and a 1x1 classifier, without bias and with ReLU in between
    (decoder of ToCo, MCC and CoSA).

    The parameter names ``conv6``, ``conv7`` and ``conv8`` are the released ones; the initialisation
    is PyTorch's default.

    Args:
        in_channels (int): D of the feature map.
        num_classes (int): Classes, background included.
        channels (int): Hidden channels.
        dilation (int): Dilation of the 3x3 convolutions.
        options: Every other keyword option of
            :class:`mmseg.models.decode_heads.decode_head.BaseDecodeHead`.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        channels: int = 512,
        dilation: int = 5,
        **options: Any,
    ) -> None:
        defaults = dict(
            dropout_ratio=0,
            init_cfg=None,
            loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True),
        )
        super().__init__(in_channels, channels, num_classes=num_classes, **{**defaults, **options})
        del self.conv_seg
        self.conv6 = nn.Conv2d(
            self.in_channels, channels, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.conv7 = nn.Conv2d(
            channels, channels, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.conv8 = nn.Conv2d(channels, self.out_channels, 1, bias=False)

    def forward(
        self, inputs: list[Tensor] | tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
    ) -> Tensor:
        """Logits (B,num_classes,h,w) from the feature maps of the backbone."""
        x = self.conv7(self.conv6(self._transform_inputs(inputs)).relu()).relu()
        if self.dropout is not None:
            x = self.dropout(x)
        return self.conv8(x)
