"""Key maps from foreign checkpoints to ours: pure functions on state dicts, no file is touched.

Covered: mmpretrain, facebookresearch DeiT and timm ViT weights for :class:`TokenViT`; the released
MCTformer V1, V2 and +.
"""

import re
from typing import Any

import torch
from torch import Tensor

# facebookresearch / timm name -> mmpretrain name
VIT_RENAMES = (
    (r'^patch_embed\.proj\.', 'patch_embed.projection.'),
    (r'^patch_embed\.backbone\.', 'patch_embed.'),  # ResNet stem of the hybrid networks
    (r'^blocks\.(\d+)\.norm([12])\.', r'layers.\1.ln\2.'),
    (r'^blocks\.(\d+)\.mlp\.fc1\.', r'layers.\1.ffn.layers.0.0.'),
    (r'^blocks\.(\d+)\.mlp\.fc2\.', r'layers.\1.ffn.layers.1.'),
    (r'^blocks\.', 'layers.'),
    (r'^norm\.', 'ln1.'),
)
# the other way round
VIT_RELEASES = (
    (r'^patch_embed\.projection\.', 'patch_embed.proj.'),
    (r'^patch_embed\.(stem|stages)\.', r'patch_embed.backbone.\1.'),
    (r'^layers\.(\d+)\.ln([12])\.', r'blocks.\1.norm\2.'),
    (r'^layers\.(\d+)\.ffn\.layers\.0\.0\.', r'blocks.\1.mlp.fc1.'),
    (r'^layers\.(\d+)\.ffn\.layers\.1\.', r'blocks.\1.mlp.fc2.'),
    (r'^layers\.', 'blocks.'),
    (r'^ln1\.', 'norm.'),
)
# classification heads of ImageNet checkpoints
VIT_HEADS = re.compile(r'^(head|head_dist|pre_logits|fc_norm)\.')


def unwrap_state_dict(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The weights inside a checkpoint: below ``state_dict`` or ``model``, without the prefix
    ``module.``.
    """
    for entry in ('state_dict', 'model'):
        if isinstance(checkpoint.get(entry), dict):
            checkpoint = checkpoint[entry]
    state = {re.sub(r'^module\.', '', key): value for key, value in checkpoint.items()}
    return state


def translate_vit_keys(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """mmpretrain names for the weights of a ViT in any of the three naming schemes.

    ImageNet heads are dropped; a distillation token and its position embedding are removed.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out.
    """
    if any(key.startswith('backbone.') for key in state):
        state = {
            key.removeprefix('backbone.'): value
            for key, value in state.items()
            if key.startswith('backbone.')
        }
    translated, unused = {}, []
    for key, value in state.items():
        if VIT_HEADS.match(key) or key == 'dist_token':
            unused.append(key)
            continue
        for pattern, replacement in VIT_RENAMES:
            key, count = re.subn(pattern, replacement, key)
            if count:
                break
        translated[key] = value
    if 'dist_token' in unused:  # its position is the second row
        pos_embed = translated['pos_embed']
        translated['pos_embed'] = pos_embed[:, [0, *range(2, pos_embed.shape[1])]]
    return translated, unused


def release_vit_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names of timm and facebookresearch for the weights of a ViT by mmpretrain's names; the
    inverse of :func:`translate_vit_keys`.
    """
    released = {}
    for key, value in state.items():
        for pattern, replacement in VIT_RELEASES:
            key, count = re.subn(pattern, replacement, key)
            if count:
                break
        released[key] = value
    return released


def is_bare_vit(state: dict[str, Any]) -> bool:
    """Whether ``state`` holds a ViT alone, with its names at the top: no prefix, no head of
    ours.
    """
    return 'cls_token' in state and any(
        key in state for key in ('patch_embed.proj.weight', 'patch_embed.projection.weight')
    )


def is_official_mctformer(state: dict[str, Tensor]) -> bool:
    """Whether ``state`` has the key names of the released MCTformer V1, V2 or + (a timm ViT with
    several class tokens).
    """
    token = state.get('cls_token')
    return (
        token is not None
        and 'patch_embed.proj.weight' in state
        and (token.shape[1] > 1 or 'pos_embed_cls' in state)
    )


def translate_official_mctformer(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names for a released MCTformer checkpoint.

    The position embeddings of class tokens and patches, separate in MCTformer+, become one
    ``pos_embed``; the convolutional head becomes ``patch_head.conv``. The inherited ``pos_embed``
    of MCTformer+ and ``norm`` are never used by its code.

    Returns:
        dict: Keys with ``backbone.`` and ``patch_head.`` prefixes.
    """
    translated = {}
    for key, value in state.items():
        if key.startswith('head.'):
            if value.dim() != 2:  # V1 inherits a linear head that it never uses
                translated[key.replace('head.', 'patch_head.conv.')] = value
        elif key.startswith('norm.') or (key == 'pos_embed' and 'pos_embed_cls' in state):
            continue
        elif key == 'pos_embed_pat':
            continue
        elif key == 'pos_embed_cls':
            translated['backbone.pos_embed'] = torch.cat([value, state['pos_embed_pat']], 1)
        else:
            translated[f'backbone.{key}'] = value
    if 'patch_head.conv.weight' not in translated:
        translated.pop('patch_head.conv.bias', None)
    return translated
