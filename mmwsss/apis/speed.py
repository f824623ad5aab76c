"""Switches that increase the speed on a GPU and only change rounding.

PyTorch is imported where it is used, because the tools add these options before other imports.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn

AMP_DTYPES = dict(fp16='float16', bf16='bfloat16')
PRECISIONS = ('fp32', *AMP_DTYPES)
SWITCHES = ('tf32', 'channels_last', 'compile', 'cuda_graphs')


def add_speed_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--tf32``, ``--channels-last``, ``--compile`` and ``--cuda-graphs`` to a tool."""
    parser.add_argument(
        '--tf32',
        action='store_true',
        help='matrix products of float32 with 10 bits of mantissa on the tensor cores of a GPU',
    )
    parser.add_argument(
        '--channels-last',
        action='store_true',
        help='channels last in memory: faster convolutions on a GPU in half precision',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='compile the backbone with torch.compile; the first steps take minutes',
    )
    parser.add_argument(
        '--cuda-graphs',
        action='store_true',
        help='compile the backbone and launch its kernels as CUDA graphs: for small batches, whose '
        'kernels are launched more slowly than they run; takes more memory',
    )


def set_speed(config: Config, args: argparse.Namespace) -> None:
    """Store the switches of :func:`add_speed_arguments` in ``config.speed``, where
    :func:`build_runner` finds them; switches that the config sets stay on.
    """
    given = {name: True for name in SWITCHES if getattr(args, name)}
    if given:
        config.speed = dict(config.get('speed') or {}, **given)


def set_amp(config: Config, name: str) -> None:
    """Train in mixed precision.

    Args:
        config (Config): Its ``optim_wrapper`` becomes ``AmpOptimWrapper``.
        name (str): ``'fp16'``, with a gradient scaler, or ``'bf16'``, which needs none.

    Raises:
        ValueError: There is no GPU, or the GPU does not support bfloat16.
    """
    import torch
    from mmengine.device import get_device

    if get_device() in ('cpu', 'mps'):
        raise ValueError('--amp needs a GPU')
    if name == 'bf16' and get_device() == 'cuda' and not torch.cuda.is_bf16_supported(False):
        raise ValueError('--amp bf16: this GPU has no bfloat16 arithmetic; use --amp fp16')
    wrapper = config.optim_wrapper
    wrapper.type = 'mmengine.AmpOptimWrapper'
    wrapper.dtype = AMP_DTYPES[name]
    if name == 'bf16':
        wrapper.loss_scale = 1.0
    else:
        wrapper.setdefault('loss_scale', 'dynamic')


def prepare_network(model: nn.Module, options: dict | None) -> nn.Module:
    """Apply ``config.speed`` to a model on its device.

    Args:
        model (nn.Module): Model, changed in place; names and values of its weights are kept.
        options (dict, optional): ``tf32``, ``channels_last``, ``compile``, ``cuda_graphs`` (bool
            each).

    Raises:
        ValueError: The option is unknown.
    """
    import torch

    options = dict(options or {})
    unknown = sorted(set(options) - set(SWITCHES))
    if unknown:
        raise ValueError(f'speed has no switch {unknown[0]!r}; switches: {", ".join(SWITCHES)}')
    if options.get('tf32'):
        torch.set_float32_matmul_precision('high')
    if options.get('channels_last'):
        model.to(memory_format=torch.channels_last)
    graphs = bool(options.get('cuda_graphs'))
    if graphs or options.get('compile'):
        for backbone in backbones(model):
            backbone.compile(mode='reduce-overhead' if graphs else None)
    if graphs:  # outputs of a graph may be overwritten from the next batch on
        model.register_forward_pre_hook(lambda *_: torch.compiler.cudagraph_mark_step_begin())
    return model


def backbones(model: nn.Module) -> list[nn.Module]:
    """All backbones inside a model, including those of averaged networks."""
    from torch import nn

    found: list[nn.Module] = []
    for module in model.modules():
        backbone = getattr(module, 'backbone', None)
        if isinstance(backbone, nn.Module) and not any(backbone is other for other in found):
            found.append(backbone)
    return found
