"""Kinds of released MCTformer checkpoints, and what their code declares without using it."""

import pytest
import torch

from mmwsss.checkpoints.mctformer import (
    mctformer_kind,
    release_mctformer_keys,
    translate_mctformer_keys,
)
from tests.mctformer_golden import golden, state_of


def test_kinds():
    plus = state_of(golden('mctformer_plus_model'))
    assert mctformer_kind(plus) == 'plus'
    v2 = {name: value for name, value in plus.items() if not name.startswith('pos_embed')}
    v2['pos_embed'] = torch.cat([plus['pos_embed_cls'], plus['pos_embed_pat']], 1)
    assert mctformer_kind(v2) == 'v2'
    v1 = dict(v2, **{'head.weight': torch.ones(5, 32)})
    assert mctformer_kind(v1) == 'v1'
    single = dict(v1, cls_token=v1['cls_token'][:, :1])  # a plain DeiT
    assert mctformer_kind(single) is None and mctformer_kind({}) is None


def test_unused_parts_get_neutral_values():
    plus = state_of(golden('mctformer_plus_model'))
    ours, unused = translate_mctformer_keys(plus)
    assert sorted(unused) == ['norm.bias', 'norm.weight', 'pos_embed']
    released, left_out = release_mctformer_keys({**ours, 'extra.weight': torch.ones(1)}, 'plus')
    assert left_out == ['extra.weight'] and set(released) == set(plus)
    assert (released['norm.weight'] == 1).all() and not released['norm.bias'].any()
    assert not released['pos_embed'].any() and released['pos_embed'].shape[1] == 197
    for name in set(plus) - set(unused):
        assert torch.equal(released[name], plus[name]), name


@pytest.mark.parametrize('kind, word', [('v1', 'no'), ('v2', 'a')])
def test_a_patch_head_is_needed_or_not(kind, word):
    ours, _ = translate_mctformer_keys(state_of(golden('mctformer_plus_model')))
    if kind == 'v2':
        ours = {name: value for name, value in ours.items() if not name.startswith('patch_head')}
    with pytest.raises(ValueError, match=f'MCTformer {kind} has {word} patch head'):
        release_mctformer_keys(ours, kind)
