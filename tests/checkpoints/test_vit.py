"""Names of foreign ViT checkpoints."""

import pytest
import torch

from mmwsss.checkpoints.vit import (
    is_bare_vit,
    is_official_mctformer,
    translate_official_mctformer,
    translate_vit_keys,
    unwrap_state_dict,
)
from tests.mctformer_golden import golden, state_of

NAMES = {
    'cls_token': 'cls_token',
    'patch_embed.proj.weight': 'patch_embed.projection.weight',
    'blocks.11.norm1.bias': 'layers.11.ln1.bias',
    'blocks.0.norm2.weight': 'layers.0.ln2.weight',
    'blocks.3.attn.qkv.bias': 'layers.3.attn.qkv.bias',
    'blocks.3.attn.proj.weight': 'layers.3.attn.proj.weight',
    'blocks.10.mlp.fc1.weight': 'layers.10.ffn.layers.0.0.weight',
    'blocks.10.mlp.fc2.bias': 'layers.10.ffn.layers.1.bias',
    'norm.weight': 'ln1.weight',
}


def test_names_of_timm_and_deit():
    state = {name: torch.tensor(float(index)) for index, name in enumerate(NAMES)}
    translated, unused = translate_vit_keys(
        {**state, 'head.weight': torch.ones(1), 'pre_logits.fc.bias': torch.ones(1)}
    )
    assert translated == {ours: state[theirs] for theirs, ours in NAMES.items()}
    assert unused == ['head.weight', 'pre_logits.fc.bias']


def test_names_of_mmpretrain_stay():
    state = {ours: torch.ones(1) for ours in NAMES.values()}
    classifier = {f'backbone.{name}': value for name, value in state.items()}
    assert (
        translate_vit_keys(state)[0]
        == translate_vit_keys({**classifier, 'head.fc.weight': torch.ones(1)})[0]
        == state
    )


def test_distillation_token_goes_with_its_position():
    state = dict(
        cls_token=torch.zeros(1, 1, 1),
        dist_token=torch.zeros(1, 1, 1),
        pos_embed=torch.arange(6.0).reshape(1, 6, 1),
        **{'head_dist.weight': torch.ones(1)},
    )
    translated, unused = translate_vit_keys(state)
    assert translated['pos_embed'].flatten().tolist() == [0, 2, 3, 4, 5]
    assert unused == ['dist_token', 'head_dist.weight'] and 'dist_token' not in translated


@pytest.mark.parametrize(
    'wrap',
    [
        lambda state: state,
        lambda state: {'model': state},
        lambda state: {'state_dict': state, 'epoch': 3},
        lambda state: {'model': {f'module.{name}': value for name, value in state.items()}},
        lambda state: {'state_dict': {'model': state}},
    ],
)
def test_unwrapping(wrap):
    state = {'cls_token': torch.ones(1), 'module_name': torch.ones(1)}
    assert unwrap_state_dict(wrap(state)) == state


def test_official_checkpoints_are_recognised():
    state = state_of(golden('mctformer_plus_model'))
    assert is_official_mctformer(state)
    deit = state_of(golden('mctformer_plus_init'), 'ckpt/')
    assert not is_official_mctformer(deit) and is_bare_vit(deit)
    assert (
        not is_official_mctformer({})
        and not is_bare_vit({})
        and not is_bare_vit({f'backbone.{name}': 1 for name in deit})
    )


def test_translation_of_plus():
    state = state_of(golden('mctformer_plus_model'))
    translated = translate_official_mctformer(state)
    assert torch.equal(
        translated['backbone.pos_embed'],
        torch.cat([state['pos_embed_cls'], state['pos_embed_pat']], 1),
    )
    assert torch.equal(translated['patch_head.conv.weight'], state['head.weight'])
    assert torch.equal(translated['patch_head.conv.bias'], state['head.bias'])
    assert torch.equal(
        translated['backbone.blocks.1.mlp.fc1.weight'], state['blocks.1.mlp.fc1.weight']
    )
    assert not any('norm.' in name and 'blocks' not in name for name in translated)
    # norm is not used, pos_embed is a relic, two positions become one
    assert len(translated) == len(state) - 2 - 2


def test_translation_of_v1_and_v2():
    state = state_of(golden('mctformer_plus_model'))
    position = torch.cat([state.pop('pos_embed_cls'), state.pop('pos_embed_pat')], 1)
    state['pos_embed'] = position
    assert is_official_mctformer(state)
    translated = translate_official_mctformer(state)
    assert (
        torch.equal(translated['backbone.pos_embed'], position)
        and 'patch_head.conv.bias' in translated
    )
    state['head.weight'] = torch.ones(5, 32)  # V1: the linear head of the ViT that nothing calls
    assert not any('head' in name for name in translate_official_mctformer(state))
