"""Key maps between ACR classifiers built on timm's ViT (with or without the ResNet stem of
ViT-hybrid-B) and mmwsss, as pure functions.

The released code wraps timm's ViT and keeps unused parts next to it; no released checkpoint was
available to confirm the names of that wrapper. The ViT is therefore found by its position embedding
under any prefix, and the class head as the only linear layer of its width outside the ViT.
"""

from torch import Tensor

from mmwsss.checkpoints.vit import release_vit_keys, translate_vit_keys

# written names: those of DPT, on which the released code is based
VIT_PREFIX, HEAD_NAME = 'pretrained.model.', 'cls_head'


def find_acr(state: dict[str, Tensor]) -> tuple[str, str] | None:
    """Prefix of the ViT and name of the class head; None if there are not exactly one of each."""
    prefixes = [name.removesuffix('pos_embed') for name in state if name.endswith('pos_embed')]
    if (
        len(prefixes) != 1
        or f'{prefixes[0]}patch_embed.proj.weight' not in state
        or f'{prefixes[0]}cls_token' not in state
    ):
        return None
    prefix = prefixes[0]
    token = state[f'{prefix}cls_token']
    parts = ('blocks', 'head', 'pre_logits', 'head_dist')
    own_parts = tuple(f'{prefix}{part}.' for part in parts)  # linear layers inside the ViT
    layers = [
        name.removesuffix('.weight')
        for name in state
        if name.endswith('.weight') and not name.startswith(own_parts)
    ]
    heads = [layer for layer in layers if _is_linear(state, layer, token.shape[2])]
    return (prefix, heads[0]) if len(heads) == 1 and token.shape[1] == 1 else None


def _is_linear(state: dict[str, Tensor], layer: str, width: int) -> bool:
    """Whether a layer is linear with ``width`` input features and a bias."""
    weight = state[f'{layer}.weight']
    return weight.dim() == 2 and weight.shape[1] == width and f'{layer}.bias' in state


def is_acr(state: dict[str, Tensor]) -> bool:
    """Whether ``state`` looks like a released ACR classifier: a timm ViT with one class token, and
    a linear class head outside it.
    """
    return find_acr(state) is not None


def translate_acr_keys(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Convert released weights to the names of mmwsss.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out.
    """
    found = find_acr(state)
    if found is None:
        raise ValueError('these are not the weights of a released ACR classifier')
    prefix, head = found
    own = {f'{head}.weight', f'{head}.bias'}
    parts = ('cls_token', 'pos_embed', 'patch_embed.', 'blocks.', 'norm.')
    wanted = tuple(f'{prefix}{part}' for part in parts)
    vit = {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(wanted) and name not in own
    }
    translated = {f'backbone.{name}': value for name, value in translate_vit_keys(vit)[0].items()}
    for name in ('weight', 'bias'):
        translated[f'class_head.{name}'] = state[f'{head}.{name}']
    return translated, [
        name for name in state if name not in own and name.removeprefix(prefix) not in vit
    ]


def release_acr_keys(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Convert weights of mmwsss to the released names.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out.
    """
    vit = {
        name.removeprefix('backbone.'): value
        for name, value in state.items()
        if name.startswith('backbone.')
    }
    released = {f'{VIT_PREFIX}{name}': value for name, value in release_vit_keys(vit).items()}
    token = vit['cls_token']
    released.setdefault(f'{VIT_PREFIX}norm.weight', token.new_ones(token.shape[-1]))
    released.setdefault(f'{VIT_PREFIX}norm.bias', token.new_zeros(token.shape[-1]))
    unused = []
    for name, value in state.items():
        if name.startswith('class_head.'):
            released[name.replace('class_head', HEAD_NAME)] = value
        elif not name.startswith('backbone.'):
            unused.append(name)
    return released, unused
