"""Conversion of networks of timm and transformers to the options of :class:`TokenViT`."""

from typing import Any

from torch import nn

from mmwsss.functional.rotary import RULES, RandomPlaces, RotaryRule

Options = dict[str, Any]
QUICK_GELU = dict(act_cfg=dict(type='mmpretrain.QuickGELU'))


class NotPlain(ValueError):
    """The network cannot be expressed by the options of :class:`TokenViT`; the message gives the
    reason.
    """


def timm_options(model: Any) -> Options:
    """Options for a vision transformer of timm.

    Args:
        model (nn.Module): Network returned by ``timm.create_model``.

    Raises:
        NotPlain: The type of the network or of a layer is not supported.
    """
    if type(model).__name__ not in ('VisionTransformer', 'Eva') or model.cls_token is None:
        raise NotPlain(f'a {type(model).__name__}, not a vision transformer with a class token')
    block = model.blocks[0]
    if type(block).__name__ not in ('Block', 'EvaBlock'):
        raise NotPlain(f'layers of the kind {type(block).__name__}')
    if type(block.norm1).__name__ != 'LayerNorm':
        raise NotPlain(f'norms of the kind {type(block.norm1).__name__}')
    attn = block.attn
    gains = getattr(block, 'gamma_1', None)
    gains = getattr(getattr(block, 'ls1', None), 'gamma', gains)
    biases = [getattr(attn, name, None) for name in ('q_bias', 'q_proj', 'qkv')]
    biases = [getattr(part, 'bias', part) for part in biases if part is not None]
    return dict(
        arch=dict(
            embed_dims=model.embed_dim,
            num_layers=len(model.blocks),
            num_heads=attn.num_heads,
            feedforward_channels=block.mlp.fc2.in_features,
        ),
        img_size=tuple(model.patch_embed.img_size),
        patch_size=model.patch_embed.patch_size[0],
        num_registers=0 if model.reg_token is None else model.reg_token.shape[1],
        layer_scale_init_value=0.0 if gains is None else float(gains.detach().flatten()[0]) or 1e-5,
        rotary=_timm_rotary(getattr(model, 'rope', None)),
        **_random_places(getattr(model, 'rope', None), '{}_coords'),
        absolute_positions=model.pos_embed is not None,
        pre_norm=_there(model.norm_pre),
        final_norm=_there(model.norm),
        qk_norm=_there(attn.q_norm),
        attn_norm=_there(getattr(attn, 'norm', None)),
        qkv_bias=any(bias is not None for bias in biases),
        key_bias=type(attn).__name__ != 'EvaAttention',
        norm_cfg=dict(type='LN', eps=block.norm1.eps),
        pos_interp_antialias=True,
        pos_init='bicubic',
        **_timm_ffn(block.mlp),
    )


def _there(module: nn.Module | None) -> bool:
    return module is not None and not isinstance(module, nn.Identity)


def _timm_ffn(mlp: Any) -> Options:
    kind, activation = type(mlp).__name__, type(mlp.act).__name__
    normed = _there(getattr(mlp, 'norm', None))
    if kind == 'Mlp' and not normed and activation in ('GELU', 'QuickGELU'):
        if getattr(mlp.act, 'approximate', 'none') == 'none':
            return dict(layer_cfgs=QUICK_GELU) if activation == 'QuickGELU' else {}
    elif kind in ('SwiGLU', 'GluMlp') and activation == 'SiLU':
        if not getattr(mlp, 'gate_last', False):
            return dict(ffn='swiglu_norm' if normed else 'swiglu')
    raise NotPlain(f'layers with {kind} and {activation}')


def _timm_rotary(rope: Any) -> str | None:
    if rope is None:
        return None
    reference = (getattr(rope, 'ref_feat_shape', None) or (None,))[0]
    for name, rule in RULES.items():
        kind = 'RotaryEmbeddingCat' if rule.reference else 'RotaryEmbeddingDinoV3'
        if type(rope).__name__ == kind and rule == RotaryRule(
            float(rope.temperature), reference, not rope.rotate_half
        ):
            return name
    raise NotPlain(f'rotary positions of the kind {type(rope).__name__}')


def _random_places(owner: Any, name: str) -> Options:
    """Random changes of rotary positions in training, of attributes with the given names; a library
    without such an attribute makes no change.
    """
    return {
        f'rotary_{part}': getattr(owner, name.format(part), None) for part in RandomPlaces._fields
    }


def transformers_options(config: Any) -> Options:
    """Options for a vision transformer of transformers.

    Args:
        config (PretrainedConfig): Config of ViT, ViT-MAE, DINOv2, DINOv3 or CLIP, of which the
            image encoder is used.

    Raises:
        NotPlain: The type of the network or of a layer is not supported.
    """
    config = getattr(config, 'vision_config', config)
    kind = config.model_type
    if kind not in KINDS:
        raise NotPlain(f'a {kind}; known: {", ".join(KINDS)}')
    width = config.hidden_size
    if config.hidden_act not in ('gelu', 'quick_gelu', 'silu'):
        raise NotPlain(f'layers with {config.hidden_act}')
    hidden = getattr(config, 'intermediate_size', None)
    options = dict(
        img_size=config.image_size,
        patch_size=config.patch_size,
        final_norm=True,
        norm_cfg=dict(type='LN', eps=config.layer_norm_eps),
        num_registers=getattr(config, 'num_register_tokens', 0),
        layer_scale_init_value=float(getattr(config, 'layerscale_value', 0.0)),
        pos_interp_antialias=kind == 'dinov2_with_registers',
        pos_init='bicubic',
        **_random_places(config, 'pos_embed_{}'),
        **KINDS[kind],
    )
    if hidden is None:
        hidden = int(width * config.mlp_ratio)
        if config.use_swiglu_ffn:
            options['ffn'], hidden = 'swiglu', (hidden * 2 // 3 + 7) // 8 * 8
    if getattr(config, 'use_gated_mlp', False):
        options['ffn'] = 'swiglu'
    if config.hidden_act == 'quick_gelu':
        options['layer_cfgs'] = QUICK_GELU
    options['arch'] = dict(
        embed_dims=width,
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        feedforward_channels=hidden,
    )
    return options


# types of transformers, with the options that all networks of a type share
KINDS: dict[str, Options] = dict(
    vit={},
    vit_mae={},
    dinov2={},
    dinov2_with_registers={},
    dinov3_vit=dict(rotary='dinov3', absolute_positions=False, key_bias=False),
    clip_vision_model=dict(pre_norm=True),
)
