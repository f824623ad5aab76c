"""DeepLab-V1 (LargeFOV) decode head."""

from typing import Any

from mmcv.cnn import build_norm_layer
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmwsss.registry import MODELS

INITIALIZATION = dict(type='Xavier', distribution='uniform', layer='Conv2d')


@MODELS.register_module()
class DeepLabV1Head(BaseDecodeHead):
    """Large field of view by dilated 3x3 convolutions (DeepLab-V1).

    ``'mct'`` (MCTformer): 3x3 dilation 12 with bias, ReLU, then a 3x3 classifier of the same
    dilation. ``'ssc'`` (SEAM's segmentation stage): 3x3 dilation 12, 1x1, each with normalisation
    and ReLU, dropout 0.5, 1x1 classifier, align_corners=True.

    Args:
        in_channels (int): D of the feature map.
        num_classes (int): Classes, background included.
        variant (str): ``'mct'`` or ``'ssc'``.
        channels (int): Hidden channels.
        dilation (int): Dilation of the 3x3 convolutions.
        norm_cfg (dict, optional): Normalisation of ``'ssc'``; default BN.
        options: Every other keyword option of
            :class:`mmseg.models.decode_heads.decode_head.BaseDecodeHead`.

    Raises:
        ValueError: The variant is unknown.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        variant: str = 'mct',
        channels: int = 512,
        dilation: int = 12,
        norm_cfg: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        if variant not in ('mct', 'ssc'):
            raise ValueError(f"variant must be 'mct' or 'ssc', got {variant!r}")
        ssc = variant == 'ssc'
        defaults = dict(dropout_ratio=0.5 if ssc else 0, align_corners=ssc, init_cfg=INITIALIZATION)
        super().__init__(
            in_channels,
            channels,
            num_classes=num_classes,
            norm_cfg=norm_cfg,
            **{**defaults, **options},
        )
        self.conv1 = nn.Conv2d(
            self.in_channels, channels, 3, padding=dilation, dilation=dilation, bias=not ssc
        )
        if ssc:
            self.bn1 = build_norm_layer(norm_cfg or dict(type='BN'), channels)[1]
            self.conv2 = nn.Conv2d(channels, channels, 1, bias=False)
            self.bn2 = build_norm_layer(norm_cfg or dict(type='BN'), channels)[1]
            self.dropout = nn.Dropout(self.dropout_ratio)
        else:
            self.conv_seg = nn.Conv2d(
                channels, self.out_channels, 3, padding=dilation, dilation=dilation
            )
        self.variant = variant

    def forward(
        self, inputs: list[Tensor] | tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
    ) -> Tensor:
        """Logits (B,num_classes,h,w) from the feature maps of the backbone."""
        x = self.conv1(self._transform_inputs(inputs))
        if self.variant == 'ssc':
            x = self.conv2(self.bn1(x).relu())
            x = self.bn2(x)
        return self.cls_seg(x.relu())
