"""Key maps for the DeepLab-V2 weights of kazuto1011/deeplab-pytorch: pure functions on names and
state dicts.
"""

import re
from typing import Any

from torch import Tensor

STAGE_CONVS = dict(reduce=1, conv3x3=2, increase=3)


def deeplab_resnet_name(name: str) -> str | None:
    """MMSegmentation ResNet name (``style='caffe'``) of a trunk parameter of deeplab-pytorch.

    Args:
        name (str): E.g. ``layer3.block2.reduce.conv.weight``; a leading ``module.`` or ``base.`` is
            ignored.

    Returns:
        str | None: E.g. ``layer2.1.conv1.weight``; None if it is not a trunk parameter.
    """
    name = re.sub(r'^(module\.)?(base\.)?', '', name)
    stem = re.fullmatch(r'layer1\.conv1\.(conv|bn)\.(\w+)', name)
    if stem:
        return f'{stem[1]}1.{stem[2]}'
    parts = re.fullmatch(
        r'layer([2-5])\.block(\d+)\.(reduce|conv3x3|increase|shortcut)\.(conv|bn)\.(\w+)', name
    )
    if parts is None:
        return None
    stage, block, conv, kind, what = parts.groups()
    prefix = f'layer{int(stage) - 1}.{int(block) - 1}'
    if conv == 'shortcut':
        return f'{prefix}.downsample.{0 if kind == "conv" else 1}.{what}'
    return f'{prefix}.{kind}{STAGE_CONVS[conv]}.{what}'


def deeplab_head_name(name: str) -> str | None:
    """:class:`~mmwsss.models.heads.DeepLabV2Head` name of ``aspp.c0`` to ``aspp.c3``; None for
    other parameters.
    """
    parts = re.fullmatch(r'(?:module\.)?(?:base\.)?aspp\.c(\d)\.(weight|bias)', name)
    return f'convs.{parts[1]}.{parts[2]}' if parts else None


def translate_deeplab_keys(
    state: dict[str, Any], *, backbone: str = 'backbone.', head: str | None = 'decode_head.'
) -> tuple[dict[str, Any], list[str]]:
    """Names of an MMSegmentation segmentor for deeplab-pytorch weights.

    Args:
        state (dict): Weights by the released names.
        backbone (str): Prefix of trunk names; '' to load a bare backbone.
        head (str | None): Prefix of head names; None leaves the head out (ImageNet or other
            classes).

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out.
    """
    translated: dict[str, Any] = {}
    unused: list[str] = []
    for name, value in state.items():
        trunk_name, head_name = deeplab_resnet_name(name), deeplab_head_name(name)
        if trunk_name is not None:
            translated[backbone + trunk_name] = value
        elif head_name is not None and head is not None:
            translated[head + head_name] = value
        else:
            unused.append(name)
    return translated, unused


def release_deeplab_keys(
    state: dict[str, Tensor], *, backbone: str = 'backbone.', head: str = 'decode_head.'
) -> tuple[dict[str, Tensor], list[str]]:
    """The inverse of :func:`translate_deeplab_keys`, with the prefix ``base.`` of the released
    network over three scales.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out.
    """
    convs = {str(index): name for name, index in STAGE_CONVS.items()}
    shortcuts = {'0': 'shortcut.conv', '1': 'shortcut.bn'}
    released, unused = {}, []
    for name, value in state.items():
        parts = re.fullmatch(rf'{re.escape(head)}convs\.(\d)\.(weight|bias)', name)
        stem = re.fullmatch(rf'{re.escape(backbone)}(conv|bn)1\.(\w+)', name)
        part = r'(?:(conv|bn)([123])|downsample\.([01]))'
        block = re.fullmatch(rf'{re.escape(backbone)}layer(\d)\.(\d+)\.{part}\.(\w+)', name)
        if parts:
            released[f'base.aspp.c{parts[1]}.{parts[2]}'] = value
        elif stem:
            released[f'base.layer1.conv1.{stem[1]}.{stem[2]}'] = value
        elif block:
            stage, index, kind, conv, shortcut, what = block.groups()
            unit = f'{convs[conv]}.{kind}' if conv else shortcuts[shortcut]
            released[f'base.layer{int(stage) + 1}.block{int(index) + 1}.{unit}.{what}'] = value
        else:
            unused.append(name)
    return released, unused
