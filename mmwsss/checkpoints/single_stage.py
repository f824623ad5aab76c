"""Key maps between the weights of the released single-stage networks (ToCo, MCC, CoSA) and mmwsss,
as pure functions.
"""

import torch
from torch import Tensor

from mmwsss.checkpoints.vit import release_vit_keys, translate_vit_keys

PREFIXES = {
    'encoder.': 'backbone.',
    'decoder.': 'decode_head.',
    'proj_head.': 'projector.',
    'proj_head_t.': 'teacher.module.',
}


def single_stage_kind(state: dict[str, Tensor]) -> str | None:
    """``'mcc'`` for the names of a released MCC or ToCo network, which have a projector; ``'cosa'``
    without; None for others.
    """
    if 'encoder.cls_token' not in state or 'decoder.conv6.weight' not in state:
        return None
    return 'mcc' if any(key.startswith('proj_head.') for key in state) else 'cosa'


def translate_single_stage_keys(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Convert released weights to the names of mmwsss.

    The gain of a projector's last layer, which is frozen at 1, is left out.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out.

    Raises:
        ValueError: The gain is not 1.
    """
    encoder = {
        key.removeprefix('encoder.'): value
        for key, value in state.items()
        if key.startswith('encoder.')
    }
    vit, unused = translate_vit_keys(encoder)
    translated = {f'backbone.{key}': value for key, value in vit.items()}
    left_out = [f'encoder.{key}' for key in unused]
    for key, value in state.items():
        if key.startswith('encoder.'):
            continue
        if key.endswith('last_layer.weight_g'):
            if not torch.allclose(value, torch.ones_like(value)):
                raise ValueError(
                    f'{key}: the gain of the last layer is not 1; this is not a checkpoint of ToCo '
                    f'or MCC'
                )
            left_out.append(key)
            continue
        prefix = next((prefix for prefix in PREFIXES if key.startswith(prefix)), '')
        ours = PREFIXES.get(prefix, '') + key.removeprefix(prefix)
        translated[ours.replace('last_layer.weight_v', 'last_layer.weight')] = value
    return translated, left_out


def release_single_stage_keys(
    state: dict[str, Tensor], kind: str = 'mcc'
) -> tuple[dict[str, Tensor], list[str]]:
    """Convert weights of mmwsss to the released names, ``'mcc'`` with projectors or ``'cosa'``
    without.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out.
    """
    released, left_out = {}, []
    backbone = {
        key.removeprefix('backbone.'): value
        for key, value in state.items()
        if key.startswith('backbone.')
    }
    released.update({f'encoder.{key}': value for key, value in release_vit_keys(backbone).items()})
    for key, value in state.items():
        theirs, ours = next(
            ((theirs, ours) for theirs, ours in PREFIXES.items() if key.startswith(ours)), ('', '')
        )
        if theirs == 'encoder.':
            continue
        if (
            key == 'teacher.steps'
            or key.startswith('data_preprocessor.')
            or (kind == 'cosa' and theirs.startswith('proj_head'))
        ):
            left_out.append(key)
        elif key.endswith('last_layer.weight') and theirs:
            name = theirs + key.removeprefix(ours)
            released[f'{name}_g'] = torch.ones(len(value), 1, dtype=value.dtype)
            released[f'{name}_v'] = value
        elif theirs or key.startswith(('classifier.', 'aux_classifier.')):
            released[theirs + key.removeprefix(ours)] = value
        else:
            left_out.append(key)
    return released, left_out
