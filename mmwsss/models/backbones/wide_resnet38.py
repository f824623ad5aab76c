"""ResNet38-d: the wide pre-activation residual network of PSA, SEAM and MCTformer's segmentation
stage.
"""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from mmwsss.checkpoints.resnet38 import load_mxnet_resnet38
from mmwsss.checkpoints.wrapped import refuse_foreign_weights
from mmwsss.registry import MODELS

from .resnet_stem import CONVOLUTIONAL

# name, in, mid, out, stride, dilation of the first and of the second 3x3 convolution
BASIC_BLOCKS = (
    ('b2', 64, 128, 128, 2, 1, 1),
    *((f'b2_{i}', 128, 128, 128, 1, 1, 1) for i in (1, 2)),
    ('b3', 128, 256, 256, 2, 1, 1),
    *((f'b3_{i}', 256, 256, 256, 1, 1, 1) for i in (1, 2)),
    ('b4', 256, 512, 512, 2, 1, 1),
    *((f'b4_{i}', 512, 512, 512, 1, 1, 1) for i in (1, 2, 3, 4, 5)),
    ('b5', 512, 512, 1024, 1, 1, 2),
    *((f'b5_{i}', 1024, 512, 1024, 1, 2, 2) for i in (1, 2)),
)
# name, in, mids, out, dilation
BOTTLENECKS = (('b6', 1024, (512, 1024), 2048, 4), ('b7', 2048, (1024, 2048), 4096, 4))
# name: (block whose activated input is the map, channels, stride); conv6 follows the last
# normalisation
FEATURE_MAPS = dict(
    conv2=('b3', 128, 2),
    conv3=('b4', 256, 4),
    conv4=('b5', 512, 8),
    conv5=('b6', 1024, 8),
    conv6=(None, 4096, 8),
)


class PreActBlock(nn.Module):
    """y = ReLU(BN x); two 3x3 convolutions of y plus x, or plus a 1x1 convolution of y where the
    shape changes.
    """

    def __init__(
        self,
        channels_in: int,
        mid: int,
        channels_out: int,
        stride: int,
        first_dilation: int,
        dilation: int,
    ) -> None:
        super().__init__()
        self.bn_branch2a = nn.BatchNorm2d(channels_in)
        self.conv_branch2a = nn.Conv2d(
            channels_in, mid, 3, stride, first_dilation, first_dilation, bias=False
        )
        self.bn_branch2b1 = nn.BatchNorm2d(mid)
        self.conv_branch2b1 = nn.Conv2d(mid, channels_out, 3, 1, dilation, dilation, bias=False)
        if channels_in != channels_out or stride != 1:
            self.conv_branch1: nn.Module | None = nn.Conv2d(
                channels_in, channels_out, 1, stride, bias=False
            )
        else:
            self.conv_branch1 = None

    def activate(self, x: Tensor) -> Tensor:
        return F.relu(self.bn_branch2a(x), inplace=True)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        shortcut = x if self.conv_branch1 is None else self.conv_branch1(y)
        y = F.relu(self.bn_branch2b1(self.conv_branch2a(y)), inplace=True)
        return self.conv_branch2b1(y) + shortcut


class PreActBottleneck(nn.Module):
    """y = ReLU(BN x); 1x1, dilated 3x3 and 1x1 convolutions of y with channel dropout, plus a 1x1
    convolution of y.
    """

    def __init__(
        self,
        channels_in: int,
        mids: tuple[int, int],
        channels_out: int,
        dilation: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.bn_branch2a = nn.BatchNorm2d(channels_in)
        self.conv_branch2a = nn.Conv2d(channels_in, mids[0], 1, bias=False)
        self.bn_branch2b1 = nn.BatchNorm2d(mids[0])
        self.conv_branch2b1 = nn.Conv2d(mids[0], mids[1], 3, 1, dilation, dilation, bias=False)
        self.bn_branch2b2 = nn.BatchNorm2d(mids[1])
        self.conv_branch2b2 = nn.Conv2d(mids[1], channels_out, 1, bias=False)
        self.conv_branch1 = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.dropout = nn.Dropout2d(dropout)

    def activate(self, x: Tensor) -> Tensor:
        return F.relu(self.bn_branch2a(x), inplace=True)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        shortcut = self.conv_branch1(y)
        y = self.dropout(F.relu(self.bn_branch2b1(self.conv_branch2a(y)), inplace=True))
        y = self.dropout(F.relu(self.bn_branch2b2(self.conv_branch2b1(y)), inplace=True))
        return self.conv_branch2b2(y) + shortcut


@MODELS.register_module()
class WideResNet38(BaseModule):
    """ResNet-38 of Wu et al., "Wider or Deeper", dilated to stride 8: 105.1 M parameters, no bias
    in any convolution.

    Parameter names are those of the released PyTorch weights (``res38_cls.pth`` and its
    descendants), which load unchanged; the ImageNet file in MXNet's format loads through
    ``init_cfg=dict(type='Pretrained', checkpoint='<file>.params')``. Input: RGB, ImageNet
    statistics.

    Args:
        out_features (Sequence[str]): Feature maps to return, all after normalisation and ReLU:
            ``conv2`` (128 channels, stride 2), ``conv3`` (256, 4), ``conv4`` (512, 8), ``conv5``
            (1024, 8), ``conv6`` (4096, 8).
        frozen_stages (int): -1 freezes nothing; 0 freezes the first convolution; s also freezes the
            blocks up to ``b{s+1}``. PSA uses 1, MCTformer's segmentation 0.
        frozen_bn (bool): Normalise with the stored statistics and do not train scale and shift.
        dropout (Sequence[float]): Channel dropout inside ``b6`` and ``b7``.
        with_cp (bool): Recompute blocks in the backward pass to save memory.
        init_cfg (dict, optional): Initialisation; default Kaiming.

    Raises:
        ValueError: The feature map or the stage is unknown.
    """

    def __init__(
        self,
        out_features: Sequence[str] = ('conv4', 'conv5', 'conv6'),
        *,
        frozen_stages: int = 0,
        frozen_bn: bool = True,
        dropout: Sequence[float] = (0.3, 0.5),
        with_cp: bool = False,
        init_cfg: dict[str, str] | None = None,
    ) -> None:
        super().__init__(init_cfg or CONVOLUTIONAL)
        unknown = [name for name in out_features if name not in FEATURE_MAPS]
        if unknown or not out_features:
            raise ValueError(
                f'out_features must be one or more of {list(FEATURE_MAPS)}, got '
                f'{list(out_features)}'
            )
        if not -1 <= frozen_stages <= 6:
            raise ValueError(f'frozen_stages must be between -1 and 6, got {frozen_stages}')
        self.out_features = tuple(out_features)
        self.out_channels = tuple(FEATURE_MAPS[name][1] for name in out_features)
        self.out_strides = tuple(FEATURE_MAPS[name][2] for name in out_features)
        self.frozen_stages = frozen_stages
        self.frozen_bn = frozen_bn
        self.with_cp = with_cp

        self.conv1a = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        for name, *widths in BASIC_BLOCKS:
            self.add_module(name, PreActBlock(*widths))
        for (name, before, middle, after, dilation), rate in zip(BOTTLENECKS, dropout, strict=True):
            self.add_module(name, PreActBottleneck(before, middle, after, dilation, rate))
        self.bn7 = nn.BatchNorm2d(4096)
        basic, bottlenecks = (
            (block[0] for block in BASIC_BLOCKS),
            (block[0] for block in BOTTLENECKS),
        )
        self.block_names: tuple[str, ...] = (*basic, *bottlenecks)
        refuse_foreign_weights(self)
        self._freeze()

    def _frozen_modules(self) -> list[nn.Module]:
        frozen: list[nn.Module] = [self.conv1a] if self.frozen_stages >= 0 else []
        frozen += [
            getattr(self, name)
            for name in self.block_names
            if int(name[1]) <= self.frozen_stages + 1
        ]
        return frozen

    def _freeze(self) -> None:
        for module in self._frozen_modules():
            module.requires_grad_(False)
        if self.frozen_bn:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.requires_grad_(False)

    def train(self, mode: bool = True) -> 'WideResNet38':
        """Set the mode; frozen modules stay in evaluation mode."""
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        if self.frozen_bn:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def init_weights(self) -> None:
        """Initialise according to ``init_cfg``; a checkpoint that ends with ``.params`` is read as
        an MXNet file.
        """
        source = self.init_cfg.get('checkpoint', '') if isinstance(self.init_cfg, dict) else ''
        if source.endswith('.params'):
            self.load_state_dict(load_mxnet_resnet38(source), strict=True)
            self._is_init = True
        else:
            super().init_weights()

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps.

        Args:
            inputs (Tensor): (B,3,H,W).

        Returns:
            tuple[Tensor]: One (B,D,h,w) per entry of ``out_features``; each halving rounds up.
        """
        starts = {FEATURE_MAPS[name][0]: name for name in self.out_features}
        maps = {}
        x = self.conv1a(inputs)
        for name in self.block_names:
            block = getattr(self, name)
            y = block.activate(x)
            if name in starts:
                maps[starts[name]] = y
                if len(maps) == len(starts):
                    break
            x = (
                checkpoint(block, x, y, use_reentrant=False)
                if self.with_cp and torch.is_grad_enabled()
                else block(x, y)
            )
        else:
            maps['conv6'] = F.relu(self.bn7(x), inplace=True)
        return tuple(maps[name] for name in self.out_features)
