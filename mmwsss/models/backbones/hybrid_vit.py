"""Vision transformer on the feature map of a ResNet: ViT-hybrid-B."""

from typing import Any

from mmwsss.registry import MODELS

from .token_vit import TokenViT


@MODELS.register_module()
class HybridViT(TokenViT):
    """:class:`TokenViT` with :class:`ResNetStem` instead of the patch embedding
    (``vit_base_r50_s16_384``, the backbone of ACR).

    Weights of timm and of the released ACR are translated while they load. The grid consists of
    whole cells: an image whose sides are not multiples of the stride (16) is zero-padded at the
    bottom and the right, and the maps are cropped to the image.

    Args:
        arch (str | dict): As for :class:`TokenViT`.
        img_size (int | tuple): (H,W) for which the position embedding is learnt.
        stem (dict, optional): Options of :class:`ResNetStem`.
        pos_init, pos_interp_mode (str): Bilinear, as the released code resizes positions.
        options: Every other keyword option of :class:`TokenViT`.
    """

    def __init__(
        self,
        arch: str | dict[str, Any] = 'base',
        *,
        img_size: int | tuple[int, int] = 384,
        stem: dict[str, Any] | None = None,
        pad_to_patch: bool = True,
        pos_init: str = 'bilinear',
        pos_interp_mode: str = 'bilinear',
        **options: Any,
    ) -> None:
        super().__init__(
            arch,
            img_size=img_size,
            stem=dict(type='mmwsss.ResNetStem') | dict(stem or {}),
            pad_to_patch=pad_to_patch,
            pos_init=pos_init,
            pos_interp_mode=pos_interp_mode,
            **options,
        )
