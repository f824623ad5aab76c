"""The ResNet of deeplab-pytorch, which pools with ceil mode."""

from typing import Any

from mmseg.models.backbones import ResNet

from mmwsss.registry import MODELS


@MODELS.register_module()
class CeilPoolResNet(ResNet):
    """:class:`mmseg.models.backbones.ResNet` whose max pooling keeps the last, partly filled
    window.

    The released DeepLab-V2 (deeplab-pytorch) does so. Both agree for sides of 8k+1, but the pyramid
    of a crop of 321 also has sides of 240 and 160, where they differ.

    Args:
        options: Options of the parent class.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.maxpool.ceil_mode = True
