"""EfficientNet-Lite0: a small convolutional trunk whose ImageNet weights come in a package."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.checkpoints.efficientnet_lite import translate_efficientnet_lite_keys
from mmwsss.checkpoints.wrapped import refuse_foreign_weights, unwrap_in_place
from mmwsss.registry import MODELS

from .resnet_stem import CONVOLUTIONAL, pad_same

# blocks, kernel, stride, expansion, output channels of each stage (EfficientNet-B0's)
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32
OUTPUT_STRIDES = (8, 16, 32)


class SameConv2d(nn.Conv2d):
    """Convolution without bias and with the SAME padding of TensorFlow."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        self.reach = (kernel_size - 1) * dilation + 1
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding=self.reach // 2 if stride == 1 else 0,  # SAME padding is symmetric here
            dilation=dilation,
            groups=groups,
            bias=False,
        )

    def forward(self, x: Tensor) -> Tensor:
        stride = self.stride[0]
        return super().forward(x if stride == 1 else pad_same(x, self.reach, stride))


def conv_norm(
    in_channels: int, out_channels: int, kernel_size: int = 1, **options: Any
) -> nn.Sequential:
    """Convolution and batch norm with the published epsilon."""
    return nn.Sequential(
        SameConv2d(in_channels, out_channels, kernel_size, **options),
        nn.BatchNorm2d(out_channels, eps=1e-3),
    )


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and linear projection, without squeeze-and-excitation; the
    input is added where the shape does not change.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int,
        dilation: int,
        expansion: int,
    ) -> None:
        super().__init__()
        width = in_channels * expansion
        self.expand = conv_norm(in_channels, width) if expansion > 1 else None
        self.depthwise = conv_norm(
            width, width, kernel_size, stride=stride, dilation=dilation, groups=width
        )
        self.project = conv_norm(width, out_channels)
        self.adds = in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y = self.project(F.relu6(self.depthwise(y), inplace=True))
        return x + y if self.adds else y


@MODELS.register_module()
class EfficientNetLite(BaseModule):
    """EfficientNet-Lite0 (Tan and Le, ICML 2019; the Lite variant has ReLU6 and no
    squeeze-and-excitation), as a backbone of feature maps or as the stem of :class:`TokenViT`.

    Padding is TensorFlow's SAME. A stage beyond ``output_stride`` keeps its resolution and dilates
    the following layers, so that every second cell of a map at half the stride is a cell of the
    published network. The published weights load with
    ``init_cfg=dict(type='mmwsss.PackagedWeights', ...)``; they expect images ``(x - 127) / 128`` in
    RGB order.

    The published weights were trained with flips, so that cell i of a map at stride s is centred at
    ``s (i + 1/2)`` regardless of the padding. In a dilated map, cell i is then centred too early,
    at ``s i`` where one stage is dilated, ``s (i - 1)`` where two are. ``centred`` aligns the grid
    of the last map with resized maps; maps of smaller strides are not moved, and a map of the same
    stride that is not dilated is half a cell late.

    Args:
        output_stride (int): 8, 16 or 32.
        out_indices (Sequence[int]): Stages (0 to 6) whose maps are returned; later ones are not
            built. Their channels are 16, 24, 40, 80, 112, 192, 320 and their strides 2, 4, 8, 16,
            16, 32, 32, or ``output_stride`` where that is less.
        embed_dims (int, optional): D; turns the network into a stem, whose last map is projected to
            tokens by a 1x1 convolution after batch norm.
        input_size (tuple[int], optional): (H,W) for which position embeddings are learnt; set by
            :class:`TokenViT`.
        frozen_stages (int): -1 freezes nothing; 0 freezes the first convolution; s also freezes the
            first s stages. A frozen part normalises with the stored statistics and gets no
            gradient; the projection of a stem is always trained.
        norm_eval (bool): All batch norm layers of the trunk normalise with the stored statistics.
        norm_frozen (bool): Scales and shifts of batch norm are not trained.
        norm_momentum (float): Weight of a batch in the stored statistics. The published 0.01 needs
            some 500 training steps to forget the initial ones; a short training from random
            weights needs 0.1.
        centred (bool): See above.
        init_cfg (dict, optional): Initialisation; default Kaiming.

    Raises:
        ValueError: The output stride or a stage is not supported.
    """

    def __init__(
        self,
        output_stride: int = 32,
        *,
        out_indices: Sequence[int] = (1, 2, 4, 6),
        embed_dims: int | None = None,
        input_size: tuple[int, int] | None = None,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        norm_frozen: bool = False,
        norm_momentum: float = 0.01,
        centred: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg or CONVOLUTIONAL)
        if output_stride not in OUTPUT_STRIDES:
            raise ValueError(f'output_stride must be one of {OUTPUT_STRIDES}, got {output_stride}')
        if not out_indices or not set(out_indices) <= set(range(len(STAGES))):
            raise ValueError(
                f'out_indices must be stages between 0 and {len(STAGES) - 1}, got {out_indices}'
            )
        if not -1 <= frozen_stages <= len(STAGES):
            raise ValueError(
                f'frozen_stages must be between -1 and {len(STAGES)}, got {frozen_stages}'
            )
        self.out_indices = tuple(sorted(out_indices))
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.norm_frozen = norm_frozen

        self.stem = conv_norm(3, STEM_CHANNELS, 3, stride=2)
        self.stages = nn.ModuleList()
        channels, reached, dilation, out_strides = STEM_CHANNELS, 2, 1, []
        for blocks, kernel_size, stage_stride, expansion, width in STAGES[
            : self.out_indices[-1] + 1
        ]:
            stage = nn.Sequential()
            for index in range(blocks):
                stride = stage_stride if index == 0 else 1
                kept = stride == 1 or reached < output_stride
                stage.append(
                    InvertedResidual(
                        channels,
                        width,
                        kernel_size,
                        stride=stride if kept else 1,
                        dilation=dilation,
                        expansion=expansion,
                    )
                )
                if kept:
                    reached *= stride
                else:
                    dilation *= stride  # from the next block on: this block reads direct neighbours
                channels = width
            self.stages.append(stage)
            out_strides.append(reached)
        self.out_channels = tuple(STAGES[index][-1] for index in self.out_indices)
        self.out_strides = tuple(out_strides[index] for index in self.out_indices)
        self.stride = self.out_strides[-1]
        # offset of the last map in pixels, see above: the dilation is the factor of its resolution
        self.lag = self.stride * (dilation - 1) // 2 if centred else 0
        if input_size is not None:
            self.init_out_size = tuple(-(-side // self.stride) for side in input_size)
        self.projection = (
            None
            if embed_dims is None
            else nn.Sequential(nn.BatchNorm2d(channels), nn.Conv2d(channels, embed_dims, 1))
        )
        for norm in self._norms():
            norm.momentum = norm_momentum
        self.register_load_state_dict_pre_hook(unwrap_in_place)
        self._register_load_state_dict_pre_hook(self._translate_keys)
        refuse_foreign_weights(self)
        self._freeze()

    def _frozen_parts(self) -> list[nn.Module]:
        return [] if self.frozen_stages < 0 else [self.stem, *self.stages[: self.frozen_stages]]

    def _norms(self) -> list[nn.BatchNorm2d]:
        modules = chain(self.stem.modules(), self.stages.modules())
        return [module for module in modules if isinstance(module, nn.BatchNorm2d)]

    def _freeze(self) -> None:
        for part in [*self._frozen_parts(), *(self._norms() if self.norm_frozen else ())]:
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> 'EfficientNetLite':
        """Set the mode; frozen parts stay in evaluation mode."""
        super().train(mode)
        for part in [*self._frozen_parts(), *(self._norms() if self.norm_eval else ())]:
            part.eval()
        return self

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps of ``out_indices``, (B,D,h,w) each, with h = ceil(H/stride).

        Args:
            x (Tensor): (B,3,H,W).
        """
        height, width = x.shape[-2:]
        sizes = [[-(-height // stride), -(-width // stride)] for stride in self.out_strides]
        # the image is shifted by a fraction of a cell, and the map is shifted back by whole cells
        ahead = -self.lag % self.stride
        skipped = (self.lag + ahead) // self.stride
        if skipped:
            x = F.pad(x, (ahead, skipped * self.stride - ahead) * 2)
        # in this layout, depthwise convolutions on a CPU take two thirds of the time
        x = F.relu6(self.stem(x.contiguous(memory_format=torch.channels_last)), inplace=True)
        maps: list[Tensor] = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in self.out_indices:
                (height, width), stride = sizes[len(maps)], self.out_strides[len(maps)]
                first = skipped if index == self.out_indices[-1] else ahead // stride
                maps.append(x[..., first : first + height, first : first + width])
        return tuple(maps)

    def forward(self, x: Tensor) -> tuple:
        """Maps of a backbone, or tokens of a stem.

        Args:
            x (Tensor): (B,3,H,W) images ``(x - 127) / 128``.

        Returns:
            tuple: :meth:`features`; or, with ``embed_dims``, tokens (B,h*w,D) in row-major order,
                and (h,w) = ceil((H,W)/stride).
        """
        maps = self.features(x)
        if self.projection is None:
            return maps
        x = self.projection(maps[-1])
        return x.flatten(2).transpose(1, 2), tuple(x.shape[-2:])

    def _translate_keys(self, state_dict: dict[str, Tensor], prefix: str, *args: object) -> None:
        """Load-state-dict pre-hook: rename the published weights to the names of this network, in
        place.
        """
        own = {key: state_dict.pop(key) for key in list(state_dict) if key.startswith(prefix)}
        translated, _ = translate_efficientnet_lite_keys(
            {key.removeprefix(prefix): value for key, value in own.items()},
            [stage[0] for stage in STAGES],
        )
        state_dict.update(
            {
                prefix + key: value
                for key, value in translated.items()
                # stages after the last one that is used are not built
                if not key.startswith('stages.') or int(key.split('.')[1]) < len(self.stages)
            }
        )
