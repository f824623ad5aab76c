"""Key maps for vision transformers with the names of transformers (ViT, MAE, DINOv2, CLIP) and of
OpenAI / open_clip, as pure functions on state dicts.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmwsss.checkpoints.wrapped import flatten_state

Renames = tuple[tuple[str, str], ...]


class VitLayout(NamedTuple):
    """Naming scheme of a library.

    Attributes:
        anchor (str): Name of the class token, whose prefix is the prefix of every name.
        renames (Renames): Name of the library -> name of mmpretrain; ``query``, ``key``, ``value``
            and ``gate``, ``up`` are joined afterwards.
    """

    anchor: str
    renames: Renames


def in_layers(source: str, target: str, parts: Iterable[tuple[str, str]]) -> Renames:
    """Renames of the parts of a layer.

    Args:
        source (str): Pattern of a layer of the library, whose first group is its number.
        target (str): Layer of mmpretrain.
        parts: Pattern of a part in the layer of the library -> its name in the target.
    """
    return tuple((source + theirs, target + ours) for theirs, ours in parts)


# transformers: `encoder.layer.i` in older releases and in the files on the hub, `layers.i` in
# newer; `layer.i` and `model.layer.i` of DINOv3
_LAYER = r'^(?:encoder\.layer|layers|(?:model\.)?layer)\.(\d+)\.'
TRANSFORMERS_VIT: Renames = (
    (r'^embeddings\.cls_token$', 'cls_token'),
    (r'^embeddings\.position_embeddings$', 'pos_embed'),
    (r'^embeddings\.register_tokens$', 'register_tokens'),
    (r'^embeddings\.patch_embeddings\.(?:projection\.)?', 'patch_embed.projection.'),
    *in_layers(
        _LAYER,
        r'layers.\1.',
        (
            (r'(?:norm1|layernorm_before)\.', 'ln1.'),
            (r'(?:norm2|layernorm_after)\.', 'ln2.'),
            (r'attention\.(?:attention\.query|q_proj)\.', 'attn.query.'),
            (r'attention\.(?:attention\.key|k_proj)\.', 'attn.key.'),
            (r'attention\.(?:attention\.value|v_proj)\.', 'attn.value.'),
            (r'attention\.(?:output\.dense|o_proj)\.', 'attn.proj.'),
            (r'(?:intermediate\.dense|mlp\.fc1)\.', 'ffn.layers.0.0.'),
            (r'(?:output\.dense|mlp\.fc2)\.', 'ffn.layers.1.'),
            (r'mlp\.weights_in\.', 'ffn.w12.'),
            (r'mlp\.(?:weights_out|down_proj)\.', 'ffn.w3.'),
            (r'mlp\.gate_proj\.', 'ffn.gate.'),
            (r'mlp\.up_proj\.', 'ffn.up.'),
            (r'layer_scale1\.lambda1$', 'attn.gamma1.weight'),
            (r'layer_scale2\.lambda1$', 'ffn.gamma2.weight'),
        ),
    ),
    (_LAYER, r'layers.\1.'),
    (r'^(?:layernorm|norm)\.', 'ln1.'),
)
TRANSFORMERS_CLIP: Renames = (
    (r'^embeddings\.class_embedding$', 'cls_token'),
    (r'^embeddings\.position_embedding\.weight$', 'pos_embed'),
    (r'^embeddings\.patch_embedding\.', 'patch_embed.projection.'),
    (r'^pre_layrnorm\.', 'pre_norm.'),  # sic
    *in_layers(
        r'^encoder\.layers\.(\d+)\.',
        r'layers.\1.',
        (
            (r'layer_norm([12])\.', r'ln\2.'),
            (r'self_attn\.q_proj\.', 'attn.query.'),
            (r'self_attn\.k_proj\.', 'attn.key.'),
            (r'self_attn\.v_proj\.', 'attn.value.'),
            (r'self_attn\.out_proj\.', 'attn.proj.'),
            (r'mlp\.fc1\.', 'ffn.layers.0.0.'),
            (r'mlp\.fc2\.', 'ffn.layers.1.'),
        ),
    ),
    (r'^encoder\.layers\.', 'layers.'),
    (r'^post_layernorm\.', 'ln1.'),
)
OPEN_CLIP: Renames = (
    (r'^class_embedding$', 'cls_token'),
    (r'^positional_embedding$', 'pos_embed'),
    (r'^conv1\.', 'patch_embed.projection.'),
    (r'^ln_pre\.', 'pre_norm.'),
    *in_layers(
        r'^transformer\.resblocks\.(\d+)\.',
        r'layers.\1.',
        (
            (r'ln_([12])\.', r'ln\2.'),
            (r'attn\.in_proj_(weight|bias)$', r'attn.qkv.\2'),
            (r'attn\.out_proj\.', 'attn.proj.'),
            (r'mlp\.c_fc\.', 'ffn.layers.0.0.'),
            (r'mlp\.c_proj\.', 'ffn.layers.1.'),
            (r'ls_1\.gamma$', 'attn.gamma1.weight'),
            (r'ls_2\.gamma$', 'ffn.gamma2.weight'),
        ),
    ),
    (r'^transformer\.resblocks\.', 'layers.'),
    (r'^ln_post\.', 'ln1.'),
)
LAYOUTS = (
    VitLayout('embeddings.cls_token', TRANSFORMERS_VIT),
    VitLayout('embeddings.class_embedding', TRANSFORMERS_CLIP),
    VitLayout('class_embedding', OPEN_CLIP),
)
JOINED = (('qkv', ('query', 'key', 'value')), ('w12', ('gate', 'up')))


def find_vit_layout(names: Mapping[str, Any]) -> tuple[VitLayout, str] | None:
    """Layout of a state dict, and the prefix of the vision transformer in it; None for the names of
    mmpretrain, timm and facebookresearch, and for all other names.
    """
    for layout in LAYOUTS:
        for name in names:
            prefix = name.removesuffix(layout.anchor)
            if prefix != name and (not prefix or prefix.endswith('.')):
                return layout, prefix
    return None


def has_vit_layout(state: Mapping[str, Any]) -> bool:
    """Whether ``state`` contains a vision transformer with the names of transformers or
    open_clip.
    """
    return find_vit_layout(state) is not None


def translate_vit_layout(state: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Convert a vision transformer of transformers or open_clip to mmpretrain's names.

    Text encoders, decoders and projections are left out.

    Args:
        state (Mapping): Weights, possibly below entries or prefixes.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out; for weights
            outside the vision transformer only the first parts of the names. Other state dicts are
            returned unchanged.
    """
    flat = flatten_state(state)
    found = find_vit_layout(flat)
    if found is None:
        return dict(state), []
    layout, prefix = found
    translated: dict[str, Tensor] = {}
    unused: dict[str, None] = {}
    for name, value in flat.items():
        if not name.startswith(prefix):
            unused[name.partition('.')[0]] = None
            continue
        bare = name.removeprefix(prefix)
        for pattern, replacement in layout.renames:
            renamed, count = re.subn(pattern, replacement, bare)
            if count:
                translated[renamed] = value
                break
        else:
            unused[name] = None
    join_projections(translated)
    for name in ('cls_token', 'pos_embed'):  # CLIP has no batch dimension
        if name in translated:
            width = translated[name].shape[-1]
            translated[name] = translated[name].reshape(1, -1, width)
    return translated, list(unused)


def join_projections(state: dict[str, Tensor]) -> None:
    """Concatenate the weights or biases of several projections of the same input, in place.

    If queries have a bias but keys do not, the keys get zeros. An input layer that is named like
    that of a gated layer but has no gate is the first of two plain layers (DINOv3).

    Args:
        state: mmpretrain's names, ``query``, ``key``, ``value``, ``gate`` and ``up`` separately.
    """
    for name in [name for name in state if name.endswith('.attn.query.bias')]:
        state.setdefault(name.replace('.query.', '.key.'), torch.zeros_like(state[name]))
    for joined, parts in JOINED:
        _join(state, joined, parts)
    for name in [name for name in state if '.ffn.up.' in name]:
        for theirs, ours in (('.up.', '.layers.0.0.'), ('.w3.', '.layers.1.')):
            old = name.replace('.up.', theirs)
            if old in state:
                state[name.replace('.up.', ours)] = state.pop(old)


def _join(state: dict[str, Tensor], joined: str, parts: tuple[str, ...]) -> None:
    """Join the weights or biases ``parts`` wherever all of them exist, in place."""
    for first in [name for name in state if f'.{parts[0]}.' in name]:
        names = [first.replace(f'.{parts[0]}.', f'.{part}.') for part in parts]
        if all(name in state for name in names):
            state[first.replace(f'.{parts[0]}.', f'.{joined}.')] = torch.cat(
                [state.pop(name) for name in names]
            )
