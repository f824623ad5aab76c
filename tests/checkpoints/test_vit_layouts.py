"""Names of transformers and OpenAI / open_clip, without the libraries: what exists becomes ours,
and joined projections are concatenated in the order query, key, value.
"""

import torch

from mmwsss.checkpoints.vit_layouts import find_vit_layout, has_vit_layout, translate_vit_layout


def transformers_vit(prefix='vit.'):
    """One layer of width 2 by the names of transformers."""
    attention = f'{prefix}encoder.layer.0.attention.attention.'
    state = {
        f'{prefix}embeddings.cls_token': torch.zeros(1, 1, 2),
        f'{prefix}embeddings.position_embeddings': torch.zeros(1, 5, 2),
        f'{prefix}embeddings.patch_embeddings.projection.weight': torch.zeros(2, 3, 4, 4),
        f'{prefix}encoder.layer.0.layernorm_before.weight': torch.full((2,), 7.0),
        f'{prefix}layernorm.weight': torch.full((2,), 8.0),
    }
    for number, part in enumerate(('query', 'key', 'value')):
        state[f'{attention}{part}.weight'] = torch.full((2, 2), float(number))
    return state


def test_names_of_transformers():
    assert has_vit_layout(transformers_vit()) and not has_vit_layout({'cls_token': torch.zeros(1)})
    layout, prefix = find_vit_layout(transformers_vit())
    assert prefix == 'vit.' and find_vit_layout({'head.weight': torch.zeros(1)}) is None
    translated, _ = translate_vit_layout(transformers_vit())
    assert {*translated} == {
        'cls_token',
        'pos_embed',
        'patch_embed.projection.weight',
        'layers.0.ln1.weight',
        'layers.0.attn.qkv.weight',
        'ln1.weight',
    }
    assert translated['layers.0.attn.qkv.weight'][:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert translated['layers.0.ln1.weight'].tolist() == [7, 7]


def test_other_weights_are_named():
    state = {**transformers_vit(), 'classifier.weight': torch.zeros(3, 2)}
    translated, others = translate_vit_layout(state)
    assert others == ['classifier'] and 'classifier.weight' not in translated
