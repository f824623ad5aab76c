"""Vision transformers by the names of timm and of Hugging Face."""

from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor

from mmwsss.registry import MODELS
from mmwsss.utils.extras import import_extra

from .library_options import NotPlain, timm_options, transformers_options
from .token_vit import TokenViT

TOLERANCE = 1e-3  # tolerance for the class token, relative to its largest value


@MODELS.register_module()
class LibraryViT(TokenViT):
    """:class:`TokenViT` with the options and the weights of a network of another library.

    It has all features of :class:`TokenViT`: class tokens, attention on request, masks and any
    image size. After its weights are loaded, its class token is compared with that of the library
    on one image, and a network that differs is rejected. Loading a training checkpoint requires the
    library, but not its weights.

    Args:
        name (str): ``'timm:vit_base_patch14_reg4_dinov2'``, or ``'hf:facebook/dinov2-base'``, or a
            folder of transformers, ``'hf:weights/dinov3'``.
        pretrained (bool): :meth:`init_weights` loads the weights of the library, unless there is an
            ``init_cfg``.
        img_size (int | tuple, optional): (H,W) of the training crops; default: the size in the
            library.
        library_options (dict, optional): Further options of ``timm.create_model`` or of the config
            of transformers, e.g.
            ``dict(pretrained_cfg_overlay=dict(file='weights/x.safetensors'))`` for timm without
            network.
        options: Further options of :class:`TokenViT`, which override those of the library.

    Raises:
        ValueError: The library is not installed or does not know the name, the type of the network
            is not supported, or its patches do not divide the crop.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool = True,
        img_size: int | tuple[int, int] | None = None,
        library_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.library, _, self.name = name.partition(':')
        if self.library not in ('timm', 'hf') or not self.name:
            raise ValueError(
                f'{name!r}: not the name of a network; write timm:<name> or hf:<name or folder>'
            )
        self.library_options = dict(library_options or {})
        found = self._describe()
        patch, own_size = found['patch_size'], found['img_size']
        sides = (img_size, img_size) if isinstance(img_size, int) else tuple(img_size or ())
        wrong = [side for side in sides if side % patch]
        if wrong and not options.get('pad_to_patch'):
            below = wrong[0] // patch * patch
            raise ValueError(
                f'{name}: its patches of {patch} pixels do not divide the crop of {wrong[0]}; '
                f'choose {below or patch} or {below + patch}'
            )
        self.own_options = {**found, **options, 'num_class_tokens': 1}
        super().__init__(**{**found, 'img_size': img_size or own_size, **options})
        self.pretrained = pretrained

    def init_weights(self) -> None:
        """Load the weights of the library, or those of ``init_cfg`` if it is given.

        Raises:
            ValueError: The weights are not available, or the output of the network differs from
                that of the library.
        """
        super().init_weights()
        if self.init_cfg or not self.pretrained:
            return
        theirs = self._guarded(lambda: self._build(pretrained=True)).eval()
        self._compare(theirs)
        self.load_state_dict(theirs.state_dict(), strict=False)

    @torch.no_grad()
    def _compare(self, theirs: Any) -> None:
        own = TokenViT(**dict(self.own_options, stem=None, init_cfg=None)).eval()
        own.load_state_dict(theirs.state_dict(), strict=False)
        generator = torch.Generator().manual_seed(0)
        image = torch.randn(1, 3, *own.img_size, generator=generator)
        expected = _class_token(theirs, image)
        found = own(image).class_tokens[:, 0]
        error = float((found - expected).abs().max() / expected.abs().max())
        if not error < TOLERANCE:
            raise ValueError(
                f'{self.library}:{self.name}: its class token differs by {error:.2g} from that of '
                f'the library; the network has a part that TokenViT has no option for'
            )
        print_log(f'{self.library}:{self.name}: class token equal to {error:.1g}', logger='current')

    def _describe(self) -> dict[str, Any]:
        """Options of the network; no weights are read."""

        def describe() -> dict[str, Any]:
            if self.library == 'timm':
                return timm_options(self._build(pretrained=False))
            return transformers_options(self._config())

        return self._guarded(describe)

    def _guarded(self, action: Any) -> Any:
        """Result of ``action()``; errors of the libraries are reported in one line."""
        try:
            return action()
        except NotPlain as error:
            raise ValueError(
                f'{self.library}:{self.name}: has {error}, which TokenViT has no option for; '
                f'for networks of convolutions take mmpretrain.TIMMBackbone'
            ) from error
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            message = str(error).strip().splitlines() or [type(error).__name__]
            raise ValueError(
                f'{self.library}:{self.name}: cannot be had ({message[0]}); check the name, or '
                f'fetch it on a connected machine'
            ) from error

    def _build(self, *, pretrained: bool) -> Any:
        what = f'the backbone {self.library}:{self.name}'
        if self.library == 'timm':
            timm = import_extra('timm', 'foundation', what)
            options = dict(num_classes=0, **self.library_options)
            return timm.create_model(self.name, pretrained=pretrained, **options)
        transformers = import_extra('transformers', 'foundation', what)
        return transformers.AutoModel.from_pretrained(self.name, config=self._config())

    def _config(self) -> Any:
        transformers = import_extra(
            'transformers', 'foundation', f'the backbone {self.library}:{self.name}'
        )
        config = transformers.AutoConfig.from_pretrained(self.name, **self.library_options)
        if hasattr(config, 'mask_ratio'):  # MAE masks patches
            config.mask_ratio = 0.0
        return config


def _class_token(model: Any, image: Tensor) -> Tensor:
    """Class token (B,D) of a network of a library, normalised if the network normalises it."""
    if hasattr(model, 'forward_features'):
        return model.forward_features(image)[:, 0]
    output = getattr(model, 'vision_model', model)(image)
    if 'clip' in model.config.model_type:  # CLIP normalises only this token
        return output.pooler_output
    return output.last_hidden_state[:, 0]
