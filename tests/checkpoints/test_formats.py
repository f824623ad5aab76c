"""Released formats: recognised by their names, and both ways."""

import json
from pathlib import Path

import pytest
import torch

from mmwsss.checkpoints.acr import find_acr, translate_acr_keys
from mmwsss.checkpoints.formats import (
    FORMATS,
    converted_from,
    default_format,
    recognise,
    translate_checkpoint,
)
from tests.mctformer_golden import golden, state_of

GOLDEN = Path(__file__).parents[1] / 'golden'
CONFIGS = Path(__file__).parents[2] / 'configs'


def test_configs_of_the_formats_exist():
    assert not [
        entry.config for entry in FORMATS.values() if not (CONFIGS / entry.config).is_file()
    ]


def test_released_resnet38_names():
    """Every name of the released segmentation network, and back."""
    state = {
        name: torch.zeros(1) + index
        for index, (name, _) in enumerate(
            json.loads((GOLDEN / 'wide_resnet38_keys.json').read_text())
        )
    }
    assert (
        recognise(state)
        == recognise({f'module.{name}': value for name, value in state.items()})
        == 'resnet38_seg'
    )
    ours, unused = translate_checkpoint({**state, 'fc8.weight': torch.ones(1)}, 'resnet38_seg')
    assert unused == ['fc8.weight'] and set(
        FORMATS['resnet38_seg'].release(ours)[0].items()
    ) == set(state.items())
    trunk = {name: value for name, value in state.items() if not name.startswith('fc8')}
    affinity = {
        **trunk,
        **{f'{name}.weight': torch.ones(1) for name in ('f8_3', 'f8_4', 'f8_5', 'f9')},
    }
    # a trunk is not a format: it initialises a backbone
    assert recognise(affinity) == 'psa' and recognise(trunk) is None
    ours, _ = translate_checkpoint(affinity, 'psa')
    assert set(FORMATS['psa'].release(ours)[0]) == set(affinity)


def test_released_mctformer_names():
    plus = state_of(golden('mctformer_plus_model'))
    assert recognise({'model': plus, 'epoch': 1}) == 'mctformer_plus'
    v2 = {name: value for name, value in plus.items() if not name.startswith('pos_embed')}
    v2['pos_embed'] = torch.cat([plus['pos_embed_cls'], plus['pos_embed_pat']], 1)
    v1 = dict(v2, **{'head.weight': torch.ones(5, 32), 'head.bias': torch.ones(5)})
    assert (recognise(v2), recognise(v1)) == ('mctformer_v2', 'mctformer_v1')
    assert sorted(translate_checkpoint(v1, 'mctformer_v1')[1]) == [
        'head.bias',
        'head.weight',
        'norm.bias',
        'norm.weight',
    ]
    for name, state in (('mctformer_plus', plus), ('mctformer_v2', v2), ('mctformer_v1', v1)):
        ours, unused = translate_checkpoint(state, name)
        again, _ = FORMATS[name].release(ours)
        assert set(again) == set(state)
        assert all(torch.equal(again[key], state[key]) for key in state if key not in unused)
    with pytest.raises(ValueError, match='MCTformer v1 has no patch head, these weights have one'):
        FORMATS['mctformer_v1'].release(translate_checkpoint(v2, 'mctformer_v2')[0])


@pytest.mark.parametrize(
    'prefix, head',
    [
        ('', 'cls_head'),
        ('model.', 'head'),
        ('pretrained.model.', 'fc'),
        ('backbone.vit.', 'classifier'),
    ],
)
def test_acr_under_any_wrapper(prefix, head):
    """The ViT is found by its positions, the class head by its width; unused parts beside them are
    left out.
    """
    vit = state_of(golden('mctformer_plus_init'), 'ckpt/')
    state = {f'{prefix}{name}': value for name, value in vit.items()}
    state.update(
        {
            f'{head}.weight': torch.ones(20, 16),
            f'{head}.bias': torch.ones(20),
            'scratch.layer.weight': torch.ones(3, 3),
        }
    )
    assert recognise(state) == 'acr' and find_acr(state) == (prefix, head)
    ours, unused = translate_acr_keys(state)
    assert (
        ours['class_head.weight'].shape == (20, 16)
        and 'backbone.layers.0.ln1.weight' in ours
        and 'backbone.pos_embed' in ours
    )
    assert sorted(unused) == sorted(
        [f'{prefix}head.bias', f'{prefix}head.weight', 'scratch.layer.weight']
    )
    # no class head: weights of a backbone
    assert recognise({f'{prefix}{name}': value for name, value in vit.items()}) is None


def test_origin_of_converted_files():
    assert (
        converted_from(dict(state_dict={}, meta=dict(converted_from='mctformer_plus')))
        == 'mctformer_plus'
    )
    for content in (
        {},
        dict(meta=None),
        dict(meta={}),
        dict(meta=torch.ones(1)),
        dict(meta=dict(converted_from='other')),
        dict(meta=dict(converted_from=['mcc'])),
    ):
        assert converted_from(content) is None


def test_unknown_states():
    assert recognise({}) is None and recognise({'a': torch.ones(1)}) is None
    for kind, state, expected in (
        ('mmwsss.AReAM', {'patch_head.conv.weight': 1}, 'mctformer_v2'),
        ('MCTformer', {}, 'mctformer_v1'),
        ('mmseg.EncoderDecoder', {}, None),
        ('mmwsss.TagClassifier', {}, None),
        ('mmwsss.CoSA', {}, 'cosa'),
    ):
        assert default_format(kind, state) == expected
