"""Key maps between the released MCTformer V1, V2 and + (and AReAM v1, which keeps V2's names) and
mmwsss, as pure functions on state dicts.
"""

import torch
from torch import Tensor

from mmwsss.checkpoints.vit import (
    release_vit_keys,
    translate_official_mctformer,
    translate_vit_keys,
)

# the position embedding that + inherits but never reads: 14 x 14 patches and one class token
LEGACY_POS_EMBED_LEN = 197


def mctformer_kind(state: dict[str, Tensor]) -> str | None:
    """``'plus'``, ``'v2'`` or ``'v1'`` for the released names; None for others."""
    token, head = state.get('cls_token'), state.get('head.weight')
    if token is None or 'patch_embed.proj.weight' not in state:
        return None
    if head is not None and head.dim() == 4:
        return 'plus' if 'pos_embed_cls' in state else 'v2'
    return 'v1' if token.shape[1] > 1 else None


def translate_mctformer_keys(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Convert a released checkpoint to the names of mmwsss.

    Args:
        state (dict): Weights by the released names.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out, which the released
            code never uses.
    """
    kind = mctformer_kind(state)
    plain = translate_official_mctformer(state)
    ours = {name: value for name, value in plain.items() if not name.startswith('backbone.')}
    trunk = {
        name.removeprefix('backbone.'): value
        for name, value in plain.items()
        if name.startswith('backbone.')
    }
    ours.update((f'backbone.{name}', value) for name, value in translate_vit_keys(trunk)[0].items())
    unused = [
        name
        for name in state
        if name.startswith('norm.')
        or (name == 'pos_embed' and 'pos_embed_cls' in state)
        or (name.startswith('head.') and kind == 'v1')
    ]
    return ours, unused


def release_mctformer_keys(
    state: dict[str, Tensor], kind: str
) -> tuple[dict[str, Tensor], list[str]]:
    """Convert to the released names the weights of :class:`~mmwsss.models.algorithms.MCTformer` and
    its children.

    Weights that the released code declares without using them (the last norm, a linear head in V1,
    positions in +) get neutral values, so that its strict loading accepts the result.

    Args:
        state (dict): Weights by the names of mmwsss.
        kind (str): ``'plus'``, ``'v2'`` or ``'v1'``.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out.

    Raises:
        ValueError: A patch head is missing, or V1 has one.
    """
    has_head = 'patch_head.conv.weight' in state
    if has_head != (kind != 'v1'):
        raise ValueError(
            f'MCTformer {kind} has {"no" if kind == "v1" else "a"} patch head, these weights have '
            f'{"one" if has_head else "none"}'
        )
    trunk = release_vit_keys(
        {
            name.removeprefix('backbone.'): value
            for name, value in state.items()
            if name.startswith('backbone.')
        }
    )
    token = trunk['cls_token']
    num_classes, width = token.shape[1:]
    released = dict(trunk)
    if kind == 'plus':
        positions = released.pop('pos_embed')
        released['pos_embed_cls'] = positions[:, :num_classes]
        released['pos_embed_pat'] = positions[:, num_classes:]
        released['pos_embed'] = token.new_zeros(1, LEGACY_POS_EMBED_LEN, width)
    released.setdefault('norm.weight', token.new_ones(width))
    released.setdefault('norm.bias', token.new_zeros(width))
    if kind == 'v1':
        released['head.weight'] = token.new_zeros(num_classes, width)
        released['head.bias'] = token.new_zeros(num_classes)
    else:
        released['head.weight'] = state['patch_head.conv.weight']
        released['head.bias'] = state['patch_head.conv.bias']
    unused = [name for name in state if not name.startswith(('backbone.', 'patch_head.conv.'))]
    return {
        name: value.clone(memory_format=torch.contiguous_format) for name, value in released.items()
    }, unused
