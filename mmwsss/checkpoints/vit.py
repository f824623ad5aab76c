"""Key maps from foreign checkpoints to mmwsss, as pure functions on state dicts without file
access.

Covered: mmpretrain, facebookresearch (DeiT, MAE, DINOv2, DINOv3), BAAI (EVA-02) and timm ViT
weights for :class:`TokenViT`; the released MCTformer V1, V2 and +.
"""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from mmwsss.checkpoints.vit_layouts import has_vit_layout, in_layers, join_projections

# facebookresearch / timm name -> mmpretrain name
VIT_RENAMES = (
    (r'^patch_embed\.proj\.', 'patch_embed.projection.'),
    (r'^patch_embed\.backbone\.', 'patch_embed.'),  # ResNet stem of the hybrid networks
    *in_layers(
        r'^blocks\.(\d+)\.',
        r'layers.\1.',
        (
            (r'norm([12])\.', r'ln\2.'),
            (r'mlp\.fc1\.', 'ffn.layers.0.0.'),
            (r'mlp\.fc2\.', 'ffn.layers.1.'),
            (r'mlp\.w(12|3)\.', r'ffn.w\2.'),
            (r'mlp\.(?:fc1_g|w1)\.', 'ffn.gate.'),
            (r'mlp\.(?:fc1_x|w2)\.', 'ffn.up.'),
            (r'mlp\.(?:norm|ffn_ln)\.', 'ffn.norm.'),
            (r'attn\.q_proj\.', 'attn.query.'),
            (r'attn\.k_proj\.', 'attn.key.'),
            (r'attn\.v_proj\.', 'attn.value.'),
            (r'attn\.q_bias$', 'attn.query.bias'),
            (r'attn\.v_bias$', 'attn.value.bias'),
            (r'attn\.(?:norm|inner_attn_ln)\.', 'attn.inner_norm.'),
            (r'(?:ls1\.gamma|gamma_1)$', 'attn.gamma1.weight'),
            (r'(?:ls2\.gamma|gamma_2)$', 'ffn.gamma2.weight'),
        ),
    ),
    (r'^blocks\.', 'layers.'),
    (r'^norm\.', 'ln1.'),
    (r'^norm_pre\.', 'pre_norm.'),
    (r'^(?:reg_token|storage_tokens)$', 'register_tokens'),
)
# the reverse direction
VIT_RELEASES = (
    (r'^patch_embed\.projection\.', 'patch_embed.proj.'),
    (r'^patch_embed\.(stem|stages)\.', r'patch_embed.backbone.\1.'),
    *in_layers(
        r'^layers\.(\d+)\.',
        r'blocks.\1.',
        (
            (r'ln([12])\.', r'norm\2.'),
            (r'ffn\.layers\.0\.0\.', 'mlp.fc1.'),
            (r'ffn\.layers\.1\.', 'mlp.fc2.'),
            (r'ffn\.w(12|3)\.', r'mlp.w\2.'),
            (r'attn\.gamma1\.weight$', 'ls1.gamma'),
            (r'ffn\.gamma2\.weight$', 'ls2.gamma'),
        ),
    ),
    (r'^layers\.', 'blocks.'),
    (r'^ln1\.', 'norm.'),
    (r'^pre_norm\.', 'norm_pre.'),
)
# heads of ImageNet checkpoints, and parts other than the encoder for masked image modelling
VIT_HEADS = re.compile(
    r'^((head|head_dist|pre_logits|fc_norm|decoder_\w+|lm_head|local_cls_norm)\.'
    r'|mask_token$|decoder_pos_embed$)'
)
# buffers determined by the options of a network: rotary positions, and keys without bias
DERIVED = re.compile(r'(^|\.)(rope\w*\.|attn\.qkv\.bias_mask$)')
# an optional part of a ViT: its description, its weights by mmpretrain's names, and the option that
# creates it
VIT_PARTS = (
    ('layer scale', re.compile(r'\.gamma[12]\.weight$'), 'layer_scale_init_value=1e-5'),
    ('register tokens', re.compile(r'^register_tokens$'), 'num_registers={rows}'),
    ('a norm before the first layer', re.compile(r'^pre_norm\.'), 'pre_norm=True'),
    (
        'SwiGLU layers',
        re.compile(r'^layers\.\d+\.ffn\.w(12|3)\.'),
        "layer_cfgs=dict(ffn_type='swiglu_fused')",
    ),
    ('absolute positions', re.compile(r'^pos_embed$'), 'absolute_positions=True'),
    ('a norm of queries and keys', re.compile(r'\.attn\.[qk]_norm\.'), 'qk_norm=True'),
    ('a norm inside the attention', re.compile(r'\.attn\.inner_norm\.'), 'attn_norm=True'),
    ('a norm inside SwiGLU layers', re.compile(r'\.ffn\.norm\.'), "ffn='swiglu_norm'"),
    ('a bias of query, key and value', re.compile(r'\.attn\.qkv\.bias$'), 'qkv_bias=True'),
    ('a bias of the patch embedding', re.compile(r'^patch_embed\.projection\.bias$'), ''),
    ('a norm after the last layer', re.compile(r'^ln1\.'), 'final_norm=True'),
)


def unwrap_state_dict(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The weights inside a checkpoint: below ``state_dict`` or ``model``, without the prefix
    ``module.``.
    """
    for entry in ('state_dict', 'model'):
        if isinstance(checkpoint.get(entry), dict):
            checkpoint = checkpoint[entry]
    state = {re.sub(r'^module\.', '', str(key)): value for key, value in checkpoint.items()}
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
        if VIT_HEADS.match(key) or DERIVED.search(key) or key == 'dist_token':
            unused.append(key)
            continue
        for pattern, replacement in VIT_RENAMES:
            key, count = re.subn(pattern, replacement, key)
            if count:
                break
        translated[key] = value
    _unpack_timm(translated)
    join_projections(translated)
    if 'dist_token' in unused:  # its position is the second row
        pos_embed = translated['pos_embed']
        translated['pos_embed'] = pos_embed[:, [0, *range(2, pos_embed.shape[1])]]
    return translated, unused


def _unpack_timm(state: dict[str, Tensor]) -> None:
    """Convert positions and gated layers that timm stores differently, in place.

    With registers, its position embedding has either no row for the class token (which then
    contains it), or also a row for each register, which is then added to the registers.
    """
    registers, pos_embed = state.get('register_tokens'), state.get('pos_embed')
    if registers is not None and pos_embed is not None:
        rows, extra = pos_embed.shape[1], 1 + registers.shape[1]
        if math.isqrt(rows) ** 2 == rows:
            state['pos_embed'] = torch.cat([torch.zeros_like(pos_embed[:, :1]), pos_embed], 1)
        elif math.isqrt(rows - extra) ** 2 == rows - extra:
            state['register_tokens'] = registers + pos_embed[:, 1:extra]
            state['pos_embed'] = torch.cat([pos_embed[:, :1], pos_embed[:, extra:]], 1)
    for name in [name for name in state if '.ffn.gate.' in name]:
        contract = name.replace('.gate.', '.layers.1.')
        if contract in state:
            state[contract.replace('.layers.1.', '.w3.')] = state.pop(contract)
    for name in [name for name in state if name.endswith('.ffn.layers.0.0.weight')]:
        layer = name.removesuffix('layers.0.0.weight')
        second = state.get(f'{layer}layers.1.weight')
        if second is not None and len(state[name]) == 2 * second.shape[1]:
            for theirs, ours in (('layers.0.0', 'w12'), ('layers.1', 'w3')):
                for kind in ('weight', 'bias'):
                    if f'{layer}{theirs}.{kind}' in state:
                        state[f'{layer}{ours}.{kind}'] = state.pop(f'{layer}{theirs}.{kind}')


def _is_optional(name: str) -> bool:
    """Whether a weight belongs to one of :data:`VIT_PARTS`."""
    return any(pattern.search(name) for _, pattern, _ in VIT_PARTS)


def describe_vit_options(extra: Mapping[str, Tensor], missing: Collection[str]) -> list[str]:
    """Optional parts of a ViT that only the checkpoint or only the model has.

    Args:
        extra (Mapping[str, Tensor]): Weights of the checkpoint that the model lacks, by
            mmpretrain's names.
        missing (Collection[str]): Names of the model that the checkpoint lacks.

    Returns:
        list[str]: The necessary change of the config for each such part.
    """
    # otherwise more is missing than options can explain
    explained = all(map(_is_optional, missing))
    problems = []
    for title, pattern, option in VIT_PARTS:
        name = next(filter(pattern.search, extra), None)
        if name is not None:
            remedy = option.format(rows=extra[name].shape[1]) if '{rows}' in option else option
            problems.append(
                f'it has {title}, the model has none' + (f': set {remedy}' if remedy else '')
            )
        elif explained and any(map(pattern.search, missing)):
            remedy = option.partition('=')[0]
            problems.append(
                f'it has no {title.removeprefix("a ")}, the model has'
                + (f': remove or change {remedy}' if remedy else '')
            )
    return problems


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
    """Whether ``state`` contains only a ViT, with its names at the top level, without prefix or
    head of mmwsss; or is a file of transformers or open_clip.
    """
    return has_vit_layout(state) or (
        'cls_token' in state
        and any(
            key in state for key in ('patch_embed.proj.weight', 'patch_embed.projection.weight')
        )
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
    """Convert a released MCTformer checkpoint to the names of mmwsss.

    The position embeddings of class tokens and patches, separate in MCTformer+, become one
    ``pos_embed``; the convolutional head becomes ``patch_head.conv``. The inherited ``pos_embed``
    of MCTformer+ and ``norm`` are never used by its code.

    Returns:
        dict: Keys with ``backbone.`` and ``patch_head.`` prefixes.
    """
    translated = {}
    for key, value in state.items():
        if key.startswith('head.'):
            if value.dim() != 2:  # V1 inherits an unused linear head
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
