"""Vision transformer with one or several class tokens, attention on request and a key mask."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.parse import urlparse

import torch
from mmcv.cnn.bricks import DropPath
from mmcv.cnn.bricks.transformer import FFN
from mmengine.logging import print_log
from mmengine.model.weight_init import initialize, trunc_normal_
from mmpretrain.models.backbones import VisionTransformer
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from mmpretrain.models.utils import SwiGLUFFN, build_norm_layer
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.checkpoints.vit import describe_vit_options, release_vit_keys, translate_vit_keys
from mmwsss.checkpoints.vit_layouts import translate_vit_layout
from mmwsss.checkpoints.wrapped import say_unwrapped, unwrap_state
from mmwsss.functional.attention import AttentionCollector, AttentionRequest, attend
from mmwsss.functional.rematerialize import gelu_linear
from mmwsss.functional.rotary import RULES, RandomPlaces, draw_places, rotary_table, rotate
from mmwsss.functional.tokens import repeat_class_token, resize_grid, resize_position_embedding
from mmwsss.registry import MODELS
from mmwsss.utils.transfer import send

IN_THE_TRUNK = (
    'layers.',
    'register_tokens',
    'pre_norm.',
    'patch_embed.projection.',
    'pos_embed',
)  # weights that a checkpoint must contain
FFNS = ('mlp', 'swiglu', 'swiglu_norm')
MASK_GROUPS = 4  # number of groups of similar length that sequences of masked images form


class TokenFeatures(NamedTuple):
    """Output of :class:`TokenViT`.

    Attributes:
        class_tokens (Tensor): (B,T,D) of the last layer.
        patch_map (Tensor): (B,D,h,w) of the last layer.
        class_embeddings (Tensor | None): (L,B,T,D), class rows of the residual stream after every
            layer, not normalised.
        aux_map (Tensor | None): (B,D,h,w), patch tokens after layer ``aux_layer``, not normalised.
        attention (dict): The map of each request by its name: a tensor, or a tuple with one entry
            per layer.
        layer_inputs (tuple[Tensor]): (B,T+N+R,D) each, inputs of the requested number of last
            layers.
    """

    class_tokens: Tensor
    patch_map: Tensor
    class_embeddings: Any
    aux_map: Any
    attention: Mapping[str, Any]
    layer_inputs: tuple[Tensor, ...] = ()


@MODELS.register_module()
class TokenViT(VisionTransformer):
    """:class:`mmpretrain.VisionTransformer` with T class tokens that returns
    :class:`TokenFeatures`.

    Layer names and weights are mmpretrain's. Checkpoints of mmpretrain, facebookresearch (DeiT,
    MAE, DINOv2, DINOv3), BAAI (EVA-02), timm, transformers (ViT, MAE, DINOv2, DINOv3, CLIP) and
    OpenAI / open_clip are translated while they load: a single class token and its position are
    repeated T times, the position grid is resized. Registers follow the patches here, while they
    precede them in those networks; only the order of the rows differs.

    Args:
        arch (str | dict): As in mmpretrain, e.g. ``'deit-small'`` or a dict with ``embed_dims``,
            ``num_layers``, ``num_heads``, ``feedforward_channels``.
        depth (int, optional): Number of layers of ``arch`` to keep; further layers of a checkpoint
            are ignored.
        num_class_tokens (int): T; C for MCTformer, 1 for single-token models.
        img_size (int | tuple): (H,W) for which the position embedding is learnt; the input can have
            any size of at least one patch.
        patch_size (int): Side of a patch in pixels (stride of the stem if there is one).
        stem (dict, optional): Config of a convolutional stem, e.g. ``dict(type='mmwsss.ConvStem',
            channels=(32, 64, 128))``.
        final_norm (bool): Normalise after the last layer. MCTformer does not, so the layer is not
            created.
        aux_layer (int, optional): Layer whose raw patch tokens are returned as ``aux_map``;
            negative counts from the end.
        pos_init (str): Interpolation of a checkpoint's position grid to the model's at loading:
            ``'nearest'`` where the ratio is an integer (MCTformer+), else bicubic; or always
            ``'bicubic'`` or ``'bilinear'``.
        pos_interp_mode (str): Interpolation of positions to the grid of an image: ``'bicubic'`` or
            ``'bilinear'`` (ACR).
        pos_interp_offset (float): 0.1 reproduces the sampling rule of MCTformer V1/V2 at other
            sizes, 0 is exact.
        token_init (str): ``'repeat'`` copies the checkpoint's class token, ``'trunc_normal'`` keeps
            the random initialisation of class tokens and positions.
        frozen_pos_embed (bool): No gradient for the position embedding (MCC, CoSA).
        pad_to_patch (bool): Pad the bottom and the right to whole patches; by default the remainder
            is ignored, as in the papers' code.
        pos_interp_antialias (bool): Low-pass filter while positions are resized, at loading and for
            the grid of an image (timm, DINOv2 with registers).
        num_registers (int): R, learnt tokens without position or output (DINOv2 with registers: 4).
        pre_norm (bool): Normalise before the first layer; the patch embedding then has no bias
            (CLIP).
        layer_scale_init_value (float): Initial value of the layer scale of each branch, 0 for none
            (DINOv2: 1e-5).
        norm_cfg (dict, optional): Config of every norm; mmpretrain's by default, ``dict(type='LN',
            eps=1e-5)`` for CLIP.
        layer_cfgs (dict | Sequence[dict], optional): Further options of mmpretrain's
            ``TransformerEncoderLayer``, for all layers or one dict per layer:
            ``dict(act_cfg=dict(type='mmpretrain.QuickGELU'))`` for CLIP,
            ``dict(ffn_type='swiglu_fused')`` for the giant DINOv2.
        rotary (str, optional): Rotary positions of queries and keys: ``'dinov3'`` or ``'eva02'``,
            see :data:`mmwsss.functional.rotary.RULES`.
        rotary_rescale (float, optional): r >= 1: in training, a forward pass multiplies the places
            of all patches by a random factor in [1/r,r] (DINOv3: 2). Evaluation is not affected.
        rotary_jitter (float, optional): The same, with a factor for each axis.
        rotary_shift (float, optional): s >= 0: in training, a random number in [-s,s] is added to
            the places of each axis before they are multiplied; half an image is 1 for ``'dinov3'``
            and 8 for ``'eva02'``.
        absolute_positions (bool): Add learnt positions to the patches (not in DINOv3).
        ffn (str): ``'mlp'``; ``'swiglu'``, gated with exactly ``feedforward_channels``; or
            ``'swiglu_norm'``, with a norm before the last layer too (EVA-02).
        qk_norm (bool): Normalise queries and keys of each head.
        attn_norm (bool): Normalise the output of the attention before its projection (CLIP of
            EVA-02).
        key_bias (bool): Keys have a bias if queries and values have one (not in DINOv3 and EVA-02;
            it only matters with rotary positions).
        frozen_stages (int): -1: nothing is frozen; n: the patch embedding (except for a stem, which
            has a separate option), positions, registers and the first n layers are not trained and
            stay in evaluation mode. Class tokens are always trained.
        in_channels (int): Image channels.
        drop_path_rate (float): Stochastic depth, linear over the layers.
        drop_rate (float): Dropout after position embedding and in the layers.
        init_cfg (dict, optional): e.g. ``dict(type='Pretrained', checkpoint=URL or file)``.

    Raises:
        ValueError: The image is smaller than a patch, or the checkpoint belongs to another
            architecture.
    """

    refuses_foreign_weights = True  # checks the architecture, see _check_architecture
    key_bias_mask: Tensor | None  # (3D,), mask that keeps the bias of keys at 0

    def __init__(
        self,
        arch: str | dict[str, Any] = 'deit-small',
        *,
        depth: int | None = None,
        num_class_tokens: int = 1,
        img_size: int | tuple[int, int] = 224,
        patch_size: int = 16,
        stem: dict[str, Any] | None = None,
        final_norm: bool = False,
        aux_layer: int | None = None,
        pos_init: str = 'nearest',
        pos_interp_mode: str = 'bicubic',
        pos_interp_offset: float = 0.0,
        token_init: str = 'repeat',
        frozen_pos_embed: bool = False,
        pad_to_patch: bool = False,
        drop_path_rate: float = 0.0,
        drop_rate: float = 0.0,
        qkv_bias: bool = True,
        pos_interp_antialias: bool = False,
        num_registers: int = 0,
        pre_norm: bool = False,
        layer_scale_init_value: float = 0.0,
        norm_cfg: dict[str, Any] | None = None,
        layer_cfgs: dict[str, Any] | Sequence[dict[str, Any]] | None = None,
        rotary: str | None = None,
        rotary_rescale: float | None = None,
        rotary_jitter: float | None = None,
        rotary_shift: float | None = None,
        absolute_positions: bool = True,
        ffn: str = 'mlp',
        qk_norm: bool = False,
        attn_norm: bool = False,
        key_bias: bool = True,
        frozen_stages: int = -1,
        in_channels: int = 3,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        if num_registers < 0:
            raise ValueError(f'num_registers must be 0 or more, got {num_registers}')
        if pos_init not in ('nearest', 'bicubic', 'bilinear'):
            raise ValueError(
                f"pos_init must be 'nearest', 'bicubic' or 'bilinear', got {pos_init!r}"
            )
        if pos_interp_mode not in ('bicubic', 'bilinear'):
            raise ValueError(
                f"pos_interp_mode must be 'bicubic' or 'bilinear', got {pos_interp_mode!r}"
            )
        if token_init not in ('repeat', 'trunc_normal'):
            raise ValueError(f"token_init must be 'repeat' or 'trunc_normal', got {token_init!r}")
        if rotary is not None and rotary not in RULES:
            raise ValueError(f'rotary must be one of {tuple(RULES)} or None, got {rotary!r}')
        places = _check_places(
            RandomPlaces(rotary_shift, rotary_jitter, rotary_rescale), rotary=rotary
        )
        if ffn not in FFNS:
            raise ValueError(f'ffn must be one of {FFNS}, got {ffn!r}')
        if depth is not None:
            arch = dict(
                self.arch_zoo[arch.lower()] if isinstance(arch, str) else arch, num_layers=depth
            )
        norm_cfg = norm_cfg or dict(type='LN', eps=1e-6)
        super().__init__(
            arch=arch,
            img_size=img_size,
            patch_size=patch_size,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
            qkv_bias=qkv_bias,
            final_norm=final_norm,
            out_type='raw',
            in_channels=in_channels,
            pre_norm=pre_norm,
            layer_scale_init_value=layer_scale_init_value,
            norm_cfg=norm_cfg,
            layer_cfgs=layer_cfgs or {},
            patch_cfg=dict(padding='corner' if pad_to_patch else 0),
            init_cfg=init_cfg,
        )
        self.depth = depth
        self.num_extra_tokens = self.num_class_tokens = num_class_tokens
        self.patch_size = patch_size
        self.pad_to_patch = pad_to_patch
        self.pos_init = pos_init
        self.pos_interp_mode = pos_interp_mode
        self.pos_interp_offset = pos_interp_offset
        self.pos_interp_antialias = pos_interp_antialias
        self.num_registers = num_registers
        self.token_init = token_init
        self.aux_layer = None if aux_layer is None else aux_layer % self.num_layers
        self.rotary = None if rotary is None else RULES[rotary]
        self.random_places = places
        self.head_dims = self.embed_dims // self.arch_settings['num_heads']
        if rotary is not None and self.head_dims % 4:
            raise ValueError(
                f'rotary positions need heads whose width is a multiple of 4, got {self.head_dims}'
            )
        mask = None
        if qkv_bias and not key_bias:
            mask = torch.ones(3, self.embed_dims).index_fill(0, torch.tensor(1), 0).flatten()
        self.register_buffer('key_bias_mask', mask, persistent=False)
        for layer in self.layers:
            _extend_layer(layer, norm_cfg, ffn, qk_norm=qk_norm, attn_norm=attn_norm)
        self.has_stem = stem is not None
        if self.has_stem:
            stem = dict(stem or {}, embed_dims=self.embed_dims, input_size=self.img_size)
            if in_channels != 3:
                stem.setdefault('in_channels', in_channels)
            self.patch_embed = MODELS.build(stem)
            self.patch_resolution = self.patch_embed.init_out_size
            self.patch_size = self.patch_embed.stride
        num_patches = self.patch_resolution[0] * self.patch_resolution[1]
        for module in self.layers.modules():
            if isinstance(module, DropPath):  # NumPy's numbers would break a compiled graph
                module.drop_prob = float(module.drop_prob)
        self.cls_token = nn.Parameter(torch.zeros(1, num_class_tokens, self.embed_dims))
        self.pos_embed: nn.Parameter | None = None
        if absolute_positions:
            self.pos_embed = nn.Parameter(
                torch.zeros(1, num_class_tokens + num_patches, self.embed_dims),
                requires_grad=not frozen_pos_embed,
            )
        if num_registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, num_registers, self.embed_dims))
        if frozen_stages > self.num_layers:
            raise ValueError(
                f'frozen_stages must be at most {self.num_layers}, the number of layers, got '
                f'{frozen_stages}'
            )
        self.frozen_stages = frozen_stages
        for part in self._frozen_parts():
            part.requires_grad_(False)
        if frozen_stages >= 0:
            for name in ('pos_embed', 'register_tokens'):
                if getattr(self, name, None) is not None:
                    getattr(self, name).requires_grad_(False)

    def _frozen_parts(self) -> list[nn.Module]:
        if self.frozen_stages < 0:
            return []
        first = [] if self.has_stem else [self.patch_embed]
        return [*first, self.pre_norm, *self.layers[: self.frozen_stages]]

    def init_weights(self) -> None:
        """Initialise as MCTformer (tokens and linear layers from a truncated normal of 0.02; a stem
        by its own rule), then apply ``init_cfg``.

        Raises:
            FileNotFoundError: The checkpoint cannot be downloaded. The message names the file and
                the place for it.
            ValueError: The checkpoint is damaged or belongs to another architecture. The message
                names it.
        """
        trunc_normal_(self.cls_token, std=0.02)
        if self.pos_embed is not None:
            trunc_normal_(self.pos_embed, std=0.02)
        if self.num_registers:
            trunc_normal_(self.register_tokens, std=0.02)
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if hasattr(self.patch_embed, 'init_weights'):
            self.patch_embed.init_weights()
        if self.init_cfg:
            self._initialize_as_configured()
        self._is_init = True

    def _initialize_as_configured(self) -> None:
        """Apply ``init_cfg``; the error for an unreadable checkpoint names its file."""
        configs = [self.init_cfg] if isinstance(self.init_cfg, dict) else list(self.init_cfg)
        configs.sort(key=lambda cfg: 'checkpoint' in cfg)  # the checkpoint is applied last
        checkpoint = str(configs[-1]['checkpoint']) if 'checkpoint' in configs[-1] else None
        try:
            initialize(self, configs)
        except (URLError, OSError) as error:
            if checkpoint is None or not checkpoint.startswith(('http://', 'https://')):
                raise
            name = urlparse(checkpoint).path.rsplit('/', 1)[-1]
            raise FileNotFoundError(
                f'{checkpoint}: cannot be downloaded ({error}); fetch it on a connected machine '
                f'and place it at {torch.hub.get_dir()}/checkpoints/{name}, or give a local file '
                f'as init_cfg.checkpoint'
            ) from error
        except ValueError as error:
            if checkpoint is None or checkpoint in str(error):
                raise
            raise ValueError(f'{checkpoint}: {error}') from error

    @property
    def patch_rows(self) -> slice:
        """Positions of the patches in a sequence (T+N+R)."""
        return slice(self.num_class_tokens, -self.num_registers or None)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Depth of a parameter for a learning rate that decays over the layers, as in mmpretrain:
        parameters before the first layer have depth 0.

        Args:
            param_name (str): Name of the parameter.
            prefix (str): Prefix of the backbone's parameters.

        Returns:
            tuple[int, int]: Depth, and the number of depths.
        """
        if param_name.startswith((f'{prefix}register_tokens', f'{prefix}pre_norm.')):
            return 0, self.num_layers + 2
        return super().get_layer_depth(param_name, prefix)

    def train(self, mode: bool = True) -> 'TokenViT':
        """Set the mode as in PyTorch; frozen parts stay in evaluation mode. The method of
        mmpretrain returns None.
        """
        super().train(mode)
        for part in self._frozen_parts():
            part.eval()
        return self

    def forward(
        self,
        x: Tensor,
        *,
        attention: Mapping[str, AttentionRequest] | None = None,
        class_embeddings: bool = False,
        key_mask: Tensor | None = None,
        layer_inputs: int | None = 0,
    ) -> TokenFeatures:
        """Run the transformer.

        Args:
            x (Tensor): (B,3,H,W) normalised images of any size >= one patch.
            attention (Mapping[str, AttentionRequest], optional): Requested maps by a name that the
                caller chooses; layers without a request run in the fused kernel.
            class_embeddings (bool): Whether to return the class rows after every layer.
            key_mask (Tensor, optional): (B,N) bool, True for patches that no token may attend to.
            layer_inputs (int | None): Number of last layers whose input is kept for
                :meth:`explain_layer`; None for all.

        Returns:
            TokenFeatures
        """
        x, grid = self._embed(x)
        rotation = self._rotation(grid, x)
        if key_mask is not None:
            key_mask = F.pad(key_mask, (self.num_class_tokens, self.num_registers))
        requests = dict(attention or {})
        collector = AttentionCollector(list(requests.values()), self.num_layers)
        embeddings, aux, inputs = [], None, []
        first_input = 0 if layer_inputs is None else self.num_layers - layer_inputs
        for index, layer in enumerate(self.layers):
            if index >= first_input:
                inputs.append(x)
            x, maps = self._transform(layer, x, collector.wanted(index), key_mask, rotation)
            collector.add(index, maps)
            if class_embeddings:
                embeddings.append(x[:, : self.num_class_tokens])
            if index == self.aux_layer:
                aux = self._to_map(x, grid)
        if self.final_norm:
            x = self.ln1(x)
        return TokenFeatures(
            class_tokens=x[:, : self.num_class_tokens],
            patch_map=self._to_map(x, grid),
            class_embeddings=torch.stack(embeddings) if class_embeddings else None,
            aux_map=aux,
            attention=dict(zip(requests, collector.result(), strict=True)),
            layer_inputs=tuple(inputs),
        )

    def explain_layer(
        self,
        index: int,
        x: Tensor,
        *,
        grid: Sequence[int] | None = None,
        class_rows: bool = False,
        normed: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One layer with explicit attention per head, for derivatives with respect to the
        attention.

        Args:
            index (int): Layer.
            x (Tensor): (B,T+N+R,D), input of the layer.
            grid (Sequence[int], optional): (h,w) of the patches, the size of ``patch_map``; rotary
                positions need it.
            class_rows (bool): Compute only the class tokens after the layer, and their rows of the
                attention.
            normed (Tensor, optional): (B,T+N+R,D), :meth:`first_norm` of ``x``, for derivatives
                with respect to it.

        Returns:
            tuple: (B,Q,D) tokens after the layer, not normalised, and (B,H,Q,T+N+R) softmax
                attention; Q = T or T+N+R.

        Raises:
            ValueError: Rotary positions lack the grid, or are random because the network is in
                training mode, so that they are not those of the pass that ``x`` is from.
        """
        if self.training and self.random_places is not None:
            raise ValueError(
                'explain_layer cannot repeat the random rotary positions of training: call eval() '
                'before the forward pass, or leave out rotary_rescale, rotary_jitter and '
                'rotary_shift'
            )
        layer, rows = self.layers[index], slice(self.num_class_tokens if class_rows else None)
        query, key, value = self._query_key_value(
            layer, layer.ln1(x) if normed is None else normed, self._rotation(grid, x)
        )
        # the queries are scaled, because they are fewer numbers than the products
        weights = ((query[:, :, rows] * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)).softmax(
            -1
        )
        return self._after_attention(layer, x[:, rows], weights @ value), weights

    def first_norm(self, index: int, x: Tensor) -> Tensor:
        """Normalised input of the attention of a layer (B,T+N+R,D)."""
        return self.layers[index].ln1(x)

    def encode_visible(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Class tokens of partly hidden images; hidden patches are left out of the sequence.

        Equal to :meth:`forward` with ``key_mask`` (a token to which no other token attends affects
        only itself), at a fraction of the cost where most patches are hidden.

        Args:
            x (Tensor): (B,3,H,W) normalised images.
            hidden (Tensor): (B,M,N) or (B,M,h,w) bool, M masks of each image, True for hidden
                patches. A mask may hide all. The masks are on the host, because the number of
                visible patches determines the size of the computation.

        Returns:
            Tensor: (B,M,T,D).
        """
        x, grid = self._embed(x)
        hidden = hidden.flatten(2).cpu()
        batch, num_masks, num_patches = hidden.shape
        if num_patches != grid[0] * grid[1]:
            raise ValueError(
                f'masks of {num_patches} patches do not fit a grid of {grid[0]}x{grid[1]}'
            )
        classes, kept = self.num_class_tokens, self.num_class_tokens + self.num_registers
        # visible patches first, in their order
        order = hidden.to(torch.uint8).argsort(dim=2, stable=True).flatten(0, 1)
        counts = (num_patches - hidden.sum(2)).flatten()
        owner = torch.arange(batch).repeat_interleave(num_masks)
        # sequences of similar length are processed together; within a group, shorter ones are
        # padded with hidden patches that are masked as keys
        by_length = counts.argsort()
        rotation = self._rotation(grid, x)
        outputs = []
        for group in by_length.tensor_split(
            max(1, min(MASK_GROUPS, len(by_length) // MASK_GROUPS))
        ):
            lengths = counts[group]
            longest = int(lengths.max()) if len(lengths) else 0
            own = torch.arange(kept)  # class tokens, then registers, which are the last rows
            own = torch.where(own < classes, own, own + num_patches).expand(len(group), -1)
            # row of every token of the sequences in its image and in the batch
            rows = torch.cat([own, order[group, :longest] + classes], 1)
            tokens = x.flatten(0, 1)[send(rows + owner[group, None] * x.shape[1], x.device)]
            turns = None if rotation is None else rotation[:, send(rows, x.device)][:, :, None]
            filling = torch.arange(kept + longest) >= kept + lengths[:, None]
            key_mask = send(filling, x.device) if bool((lengths < longest).any()) else None
            for layer in self.layers:
                tokens, _ = self._transform(layer, tokens, (), key_mask, turns)
            outputs.append(tokens[:, :classes])
        tokens = torch.cat(outputs)[send(by_length.argsort(), x.device)]
        return (self.ln1(tokens) if self.final_norm else tokens).unflatten(0, (batch, num_masks))

    def _embed(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        height, width = x.shape[-2:]
        if min(height, width) < self.patch_size and not self.pad_to_patch:
            raise ValueError(
                f'an image of {width}x{height} (width x height) is smaller than a patch of '
                f'{self.patch_size}x{self.patch_size}; use a larger image or scale'
            )
        if self.has_stem and self.pad_to_patch:
            x = F.pad(x, (0, -width % self.patch_size, 0, -height % self.patch_size))
        x, grid = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1)
        if self.pos_embed is not None:
            x = x + self._positions(grid, square=height == width)
        if self.num_registers:
            x = torch.cat([x, self.register_tokens.expand(len(x), -1, -1)], 1)
        return self.pre_norm(self.drop_after_pos(x)), grid

    def _positions(self, grid: tuple[int, int], *, square: bool) -> Tensor:
        """(1,T+N,D), resized to the grid of an image."""
        pos_embed: Any = self.pos_embed
        # the offset rule also shifts the samples of an unchanged grid, unless the image is square
        if grid == tuple(self.patch_resolution) and (square or not self.pos_interp_offset):
            return pos_embed
        return resize_position_embedding(
            pos_embed,
            self.num_class_tokens,
            (self.patch_resolution, grid),
            mode=self.pos_interp_mode,
            offset=self.pos_interp_offset,
            antialias=self.pos_interp_antialias,
        )

    def _rotation(self, grid: Sequence[int] | None, like: Tensor) -> Tensor | None:
        """Rotary positions (2,T+N+R,d) of all tokens of an image; None if the network has none.
        They are made for each pass, and nothing of a random change remains.
        """
        if self.rotary is None:
            return None
        if grid is None:
            raise ValueError('a layer with rotary positions needs the grid of the patches')
        others = (self.num_class_tokens, self.num_registers)
        change = None
        if self.training and self.random_places is not None:
            change = draw_places(self.random_places, like.device)
        return rotary_table(
            grid, self.head_dims, self.rotary, others=others, change=change, like=like
        )

    def _transform(
        self,
        layer: TransformerEncoderLayer,
        x: Tensor,
        requests: Sequence[AttentionRequest],
        key_mask: Tensor | None,
        rotation: Tensor | None,
    ) -> tuple[Tensor, list[Tensor]]:
        """One layer of mmpretrain's network, with the requested attention maps."""
        query, key, value = self._query_key_value(layer, layer.ln1(x), rotation)
        output, maps = attend(
            query,
            key,
            value,
            requests,
            num_class_tokens=self.num_class_tokens,
            num_registers=self.num_registers,
            key_mask=key_mask,
            dropout=layer.attn.attn_drop if self.training else 0.0,
        )
        return self._after_attention(layer, x, output), maps

    def _query_key_value(
        self, layer: TransformerEncoderLayer, normed: Tensor, rotation: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B,H,T+N+R,d) each."""
        attn = layer.attn
        if self.key_bias_mask is None:
            projected = attn.qkv(normed)
        else:
            projected = F.linear(normed, attn.qkv.weight, attn.qkv.bias * self.key_bias_mask)
        query, key, value = projected.unflatten(2, (3, attn.num_heads, attn.head_dims)).permute(
            2, 0, 3, 1, 4
        )
        if hasattr(attn, 'q_norm'):
            query, key = attn.q_norm(query), attn.k_norm(key)
        if self.rotary is not None and rotation is not None:
            query, key = (rotate(x, rotation, self.rotary) for x in (query, key))
        return query, key, value

    def _after_attention(self, layer: TransformerEncoderLayer, x: Tensor, output: Tensor) -> Tensor:
        """The rest of a layer: ``x`` (B,R,D), ``output`` (B,H,R,d) of the attention."""
        attn = layer.attn
        output = output.transpose(1, 2).reshape(x.shape)
        if hasattr(attn, 'inner_norm'):
            output = attn.inner_norm(output)
        output = attn.proj(output)
        x = x + attn.out_drop(attn.gamma1(attn.proj_drop(output)))
        return self._feed_forward(layer.ffn, layer.ln2(x), x)

    def _feed_forward(self, ffn: nn.Module, x: Tensor, identity: Tensor) -> Tensor:
        """Feed-forward network of mmcv, except that its widest tensor is not kept for the backward
        pass; or the SwiGLU of mmpretrain.
        """
        if not isinstance(ffn, FFN):
            return ffn(x, identity=identity)
        (expand, activation, dropout), contract, last_dropout = ffn.layers
        if (self.training and dropout.p > 0) or not isinstance(activation, nn.GELU):
            return ffn(x, identity=identity)
        x = gelu_linear(
            expand(x), contract.weight, contract.bias, approximate=activation.approximate
        )
        return identity + ffn.dropout_layer(ffn.gamma2(last_dropout(x)))

    def _to_map(self, tokens: Tensor, grid: Sequence[int]) -> Tensor:
        return tokens[:, self.patch_rows].transpose(1, 2).unflatten(2, grid)

    def _prepare_pos_embed(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        """Load-state-dict pre-hook: translate names, tokens and positions of a foreign checkpoint,
        in place.
        """
        names: dict[str, Any] = dict.fromkeys(self.state_dict())
        own, ignored = translate_vit_layout(
            {
                key.removeprefix(prefix): state_dict.pop(key)
                for key in list(state_dict)
                if key.startswith(prefix)
            }
        )
        own, wrapper = unwrap_state(own, {*names, *release_vit_keys(names)})
        say_unwrapped(self, wrapper)
        own, unused = translate_vit_keys(own)
        unused += ignored
        self._check_rotary(unused)
        if self.depth is not None:
            deeper = [
                key
                for key in own
                if key.startswith('layers.') and int(key.split('.')[1]) >= self.depth
            ]
            unused += deeper
            own = {key: value for key, value in own.items() if key not in deeper}
        if not self.final_norm:
            unused += [key for key in own if key.startswith('ln1.')]
            own = {key: value for key, value in own.items() if not key.startswith('ln1.')}
        if (
            'cls_token' in own
            and own['cls_token'].shape[1] == 1 < self.num_class_tokens
            and self.token_init == 'trunc_normal'
        ):
            for name in {'cls_token', 'pos_embed'} & set(own) & set(names):
                unused.append(name)
                own[name] = getattr(self, name).detach()
        self._fit_tokens(own)
        self._check_architecture(own)
        if unused:
            print_log(
                f'Keys that TokenViT ignored: {", ".join(sorted(unused))}',
                logger='current',
            )
        state_dict.update({prefix + key: value for key, value in own.items()})

    def _fit_tokens(self, state: dict[str, Tensor]) -> None:
        """Repeat a single class token T times and resize the position grid to that of the model."""
        if 'cls_token' not in state:
            return
        extra = state['cls_token'].shape[1]
        if extra not in (1, self.num_class_tokens):
            raise ValueError(
                f'the checkpoint has {extra} class tokens, the model {self.num_class_tokens}: the '
                f'data set of the config '
                f'and that of the checkpoint have different classes'
            )
        more = extra < self.num_class_tokens
        if more:
            state['cls_token'] = repeat_class_token(state['cls_token'], self.num_class_tokens)
        if self.pos_embed is None or 'pos_embed' not in state:
            return
        pos_embed = state['pos_embed']
        class_pos, grid = pos_embed[:, :extra], self._fit_grid(pos_embed[:, extra:])
        if more:
            class_pos = repeat_class_token(class_pos, self.num_class_tokens)
        state['pos_embed'] = torch.cat([class_pos, grid], 1)

    def _fit_grid(self, grid: Tensor) -> Tensor:
        """Positions of patches (1,N,D) at the grid of the model."""
        num_patches = grid.shape[1]
        if num_patches == math.prod(self.patch_resolution):
            return grid
        side = int(num_patches**0.5)
        if side * side != num_patches:
            raise ValueError(
                f'the position embedding of the checkpoint has {num_patches} patches, which is not '
                f'a square grid'
            )
        h, w = self.patch_resolution
        mode = 'bilinear' if self.pos_init == 'bilinear' else 'bicubic'
        nearest = self.pos_init == 'nearest' and h % side == 0 and w % side == 0
        if nearest:  # an integer multiple: every cell is copied to a block
            mode = 'nearest'
        antialias = self.pos_interp_antialias and not nearest
        return resize_grid(grid, ((side, side), (h, w)), mode=mode, antialias=antialias)

    def _check_rotary(self, unused: Sequence[str]) -> None:
        if self.rotary is None and any('rope' in name for name in unused):
            raise ValueError(
                f'the checkpoint has rotary positions, the model has none: set rotary to one of '
                f'{tuple(RULES)}'
            )

    def _check_architecture(self, state: dict[str, Tensor]) -> None:
        own = self.state_dict()
        wrong = [
            f'{key}: checkpoint {tuple(value.shape)}, model {tuple(own[key].shape)}'
            for key, value in state.items()
            if key in own and value.shape != own[key].shape
        ]
        missing = [key for key in own if key not in state]
        if state and all(key.startswith('patch_embed.') for key in state):  # a stem alone
            missing = [key for key in missing if key.startswith('patch_embed.')]
        extra = {
            key: value
            for key, value in state.items()
            if key.startswith(IN_THE_TRUNK) and key not in own
        }
        if not (wrong or missing or extra):
            return
        numbers = {key: int(key.split('.')[1]) for key in extra if key.startswith('layers.')}
        deeper = {key: n for key, n in numbers.items() if n >= self.num_layers}
        problems = wrong[:1] + describe_vit_options(
            {key: value for key, value in extra.items() if key not in deeper}, missing
        )
        if deeper:
            layers = ', '.join(map(str, sorted(set(deeper.values()))))
            problems.append(f'layers {layers} do not exist in the model')
        if missing and not problems:
            problems.append(f'{len(missing)} weights are missing, first {missing[0]}')
        if not problems:
            problems.append(f'the model has no {next(iter(extra))}')
        raise ValueError(
            f'the checkpoint has another architecture than {type(self).__name__} with '
            f'{self.num_layers} layers of width '
            f'{self.embed_dims} ({"; ".join(problems)}); choose the config that belongs to the '
            f'checkpoint'
        )


def _check_places(places: RandomPlaces, *, rotary: str | None) -> RandomPlaces | None:
    """The random places of the options; None if all are None.

    Raises:
        ValueError: A number is out of its range, or there are no rotary positions.
    """
    for name, value in places._asdict().items():
        if value is None:
            continue
        lowest = 0 if name == 'shift' else 1
        if rotary is None:
            raise ValueError(
                f'rotary_{name}={value!r} changes rotary positions, and the model has none: set '
                f'rotary to one of {tuple(RULES)}, or leave rotary_{name} out'
            )
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not lowest <= value < math.inf:
            raise ValueError(
                f'rotary_{name} must be a finite number of at least {lowest}, or None for no '
                f'change, got {value!r}'
            )
    return None if places == RandomPlaces() else places


def _extend_layer(
    layer: TransformerEncoderLayer,
    norm_cfg: dict[str, Any],
    ffn: str,
    *,
    qk_norm: bool,
    attn_norm: bool,
) -> None:
    """Apply the options that mmpretrain's layer does not have, in place."""
    attn = layer.attn
    if qk_norm:
        attn.q_norm = build_norm_layer(norm_cfg, attn.head_dims)
        attn.k_norm = build_norm_layer(norm_cfg, attn.head_dims)
    if attn_norm:
        attn.inner_norm = build_norm_layer(norm_cfg, attn.embed_dims)
    if ffn != 'mlp':
        gains, drop_path = layer.ffn.gamma2, layer.ffn.dropout_layer
        layer.ffn = SwiGLUFFN(
            attn.embed_dims,
            layer.ffn.feedforward_channels,
            norm_cfg=norm_cfg if ffn == 'swiglu_norm' else None,
        )
        layer.ffn.gamma2, layer.ffn.dropout_layer = gains, drop_path
