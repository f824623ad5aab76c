"""Released checkpoints in our models: recognised, translated, refused with an explanation; and the
way back.
"""

import logging

import pytest
import torch
from mmengine.runner import load_checkpoint

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.apis import load_weights
from mmwsss.checkpoints.formats import (
    FORMATS,
    default_format,
    recognise,
    released_classes,
    translate_checkpoint,
)
from mmwsss.checkpoints.released_weights import (
    accept_released_weights,
    native_format,
    readable_formats,
    warn_of_origin,
)
from mmwsss.registry import MODELS

ARCH = dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32)
VIT = dict(type='mmwsss.TokenViT', arch=ARCH, img_size=32, patch_size=16)
SINGLE_STAGE = dict(
    num_classes=4, backbone=dict(VIT, final_norm=True, aux_layer=-2), decode_head=dict(channels=8)
)
PROJECTOR = dict(out_channels=6, hidden_channels=8, bottleneck_channels=4)
RESNET = dict(type='mmwsss.PyramidResNet', depth=18, base_channels=8, stem_channels=8)
LOSS = dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True)
# format -> config of a tiny model that is released in it
CONFIGS = {
    'mctformer_plus': dict(type='mmwsss.MCTformerPlus', num_classes=5, backbone=VIT),
    'mctformer_v2': dict(
        type='mmwsss.MCTformer', num_classes=5, backbone=VIT, patch_head=dict(pooling='gap')
    ),
    'mctformer_v1': dict(type='mmwsss.MCTformer', num_classes=5, backbone=VIT),
    'mctformer_v2-aream': dict(type='mmwsss.AReAM', num_classes=5, backbone=VIT),
    'mcc': dict(SINGLE_STAGE, type='mmwsss.MCC', projector=PROJECTOR),
    'mcc-toco': dict(SINGLE_STAGE, type='mmwsss.ToCo', projector=PROJECTOR),
    'cosa': dict(SINGLE_STAGE, type='mmwsss.CoSA'),
    'acr': dict(
        type='mmwsss.ACRClassifier',
        num_classes=5,
        backbone=dict(
            type='mmwsss.HybridViT',
            arch=ARCH,
            img_size=32,
            stem=dict(stem_channels=32, channels=(128, 128, 256), depths=(1, 1, 1)),
        ),
    ),
    'acr-deit': dict(type='mmwsss.ACRClassifier', num_classes=5, backbone=VIT),
    'irn': dict(type='mmwsss.IRNet', backbone=RESNET, with_displacement=True),
    'irn-edges': dict(type='mmwsss.IRNet', backbone=RESNET),
    'psa': dict(
        type='mmwsss.AffinityNet', backbone=RESNET, out_indices=(2, 3, 4), embed_channels=(4, 6, 8)
    ),
    'resnet38_seg': dict(
        type='mmseg.EncoderDecoder',
        backbone=RESNET,
        decode_head=dict(
            type='mmwsss.DeepLabV1Head',
            in_channels=64,
            in_index=4,
            channels=8,
            num_classes=6,
            loss_decode=LOSS,
        ),
    ),
    'deeplabv2': dict(
        type='mmwsss.MSCSegmentor',
        backbone=dict(
            type='mmseg.ResNet', depth=50, base_channels=2, stem_channels=2, style='caffe'
        ),
        decode_head=dict(
            type='mmwsss.DeepLabV2Head', in_channels=64, in_index=3, num_classes=6, loss_decode=LOSS
        ),
    ),
}


def make(case, **options):
    """A tiny model of a case with random weights, norms and statistics included."""
    torch.manual_seed(0)
    model = accept_released_weights(MODELS.build({**CONFIGS[case], **options}))
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5)
    return model


def release(case, model):
    return FORMATS[case.partition('-')[0]].release(model.state_dict())


def weights(model):
    """Weights and statistics, without counters of steps; of two networks (CoSA) those of the
    averaged one, which is released.
    """
    state = {
        name: value
        for name, value in model.state_dict().items()
        if value.is_floating_point() and 'threshold' not in name
    }
    averaged = {name: value for name, value in state.items() if name.startswith('assignment.')}
    return averaged or state


def saved(state, case, tmp_path):
    wrapper = FORMATS[case.partition('-')[0]].wrapper
    torch.save({wrapper: state, 'epoch': 9} if wrapper else state, tmp_path / 'released.pth')
    return tmp_path / 'released.pth'


@pytest.mark.parametrize('case', CONFIGS)
def test_round_trip(case, tmp_path):
    """Ours -> released -> ours is bit-identical, by load_weights and by the loader behind
    ``load_from``.
    """
    name = case.partition('-')[0]
    model = make(case)
    before = {key: value.clone() for key, value in weights(model).items()}
    state, _ = release(case, model)
    assert recognise(state) == name == default_format(CONFIGS[case]['type'], model.state_dict())
    assert name in readable_formats(model)
    file = saved(state, case, tmp_path)
    for load in (
        lambda model: load_weights(model, file),
        lambda model: load_checkpoint(model, str(file)),
    ):
        other = MODELS.build(CONFIGS[case])
        load(accept_released_weights(other))
        for key, value in weights(other).items():
            assert torch.equal(value, before[key]), key
            # begins as the averaged one
            online = other.state_dict()[key.removeprefix('assignment.')]
            assert torch.equal(value, online)
    translated, _ = translate_checkpoint(state, name)
    again, _ = FORMATS[name].release(translated)
    assert set(again) == set(state) and all(torch.equal(again[key], state[key]) for key in state)


@pytest.mark.parametrize(
    'case',
    [
        case
        for case in CONFIGS
        if case not in ('irn', 'irn-edges', 'psa', 'mctformer_v2-aream', 'mcc-toco')
    ],
)
def test_other_number_of_classes(case, tmp_path):
    options = dict(num_classes=7)
    if 'decode_head' in CONFIGS[case] and 'num_classes' in CONFIGS[case]['decode_head']:
        options = dict(decode_head=dict(CONFIGS[case]['decode_head'], num_classes=7))
    model = make(case)
    state, _ = release(case, model)
    name = case.partition('-')[0]
    classes = released_classes(translate_checkpoint(state, name)[0], name)
    assert classes == 6 if 'decode_head' in options else CONFIGS[case]['num_classes']
    with pytest.raises(
        ValueError,
        match=rf'released\.pth: the checkpoint was trained on {classes} classes, '
        'the config has 7: choose',
    ):
        load_weights(make(case, **options), saved(state, case, tmp_path))


def test_foreign_methods_are_named(tmp_path):
    state, _ = release('mcc', make('mcc'))
    with pytest.raises(
        ValueError,
        match='released one of MCC or ToCo; MCTformerPlus here reads those of '
        r'MCTformer\+.*mcc_voc\.py',
    ):
        load_weights(make('mctformer_plus'), saved(state, 'mcc', tmp_path))
    state, _ = release('irn', make('irn'))
    with pytest.raises(
        ValueError,
        match='released one of IRN; EncoderDecoder here reads those of MCTformer.s segmentation '
        'stage',
    ):
        load_weights(make('resnet38_seg'), saved(state, 'irn', tmp_path))
    with pytest.raises(ValueError, match='released one of IRN; ResNet here reads none'):
        load_weights(
            MODELS.build(dict(type='mmseg.ResNet', depth=18)), saved(state, 'irn', tmp_path)
        )


@pytest.mark.parametrize(
    'weights_of, model_of, title, config',
    [
        ('mctformer_plus', 'mctformer_v2', 'MCTformer+', 'mctformer_plus_voc.py'),
        ('mctformer_plus', 'mctformer_v2-aream', 'MCTformer+', 'mctformer_plus_voc.py'),
        ('mctformer_plus', 'mctformer_v1', 'MCTformer+', 'mctformer_plus_voc.py'),
        ('mctformer_v2', 'mctformer_plus', 'MCTformer V2', 'mctformer_v2_voc.py'),
    ],
)
def test_one_network_two_methods(weights_of, model_of, title, config, monkeypatch, tmp_path):
    """V2, + and AReAM load each other's weights, released or converted, with one warning that names
    file and model.
    """
    messages = []
    monkeypatch.setattr(
        'mmwsss.checkpoints.released_weights.print_log',
        lambda message, level=None, **_: messages.append((level, message)),
    )
    released, _ = release(weights_of, make(weights_of))
    converted = dict(
        state_dict=translate_checkpoint(released, weights_of)[0],
        meta=dict(converted_from=weights_of),
    )
    torch.save(converted, tmp_path / 'converted.pth')
    for file in (saved(released, weights_of, tmp_path), tmp_path / 'converted.pth'):
        messages.clear()
        load_weights(make(model_of), file)
        warnings = [message for level, message in messages if level == logging.WARNING]
        assert (
            len(warnings) == 1
            and warnings[0].startswith(f'this is a checkpoint of {title}')
            and f'configs/{config}' in warnings[0]
        )
        assert (
            f'the model is {CONFIGS[model_of]["type"].removeprefix("mmwsss.")} (format '
            f'{model_of.partition("-")[0]})' in warnings[0]
        )
        messages.clear()
        load_weights(make(weights_of), file)
        assert not [message for level, message in messages if level == logging.WARNING]


@pytest.mark.parametrize('case', CONFIGS)
def test_native_format(case, monkeypatch):
    """No warning for weights in the format of the model, children of its class included."""
    messages = []
    monkeypatch.setattr(
        'mmwsss.checkpoints.released_weights.print_log',
        lambda message, **_: messages.append(message),
    )
    model = make(case)
    assert native_format(model) == case.partition('-')[0]
    warn_of_origin(model, case.partition('-')[0])
    model.__class__ = type('Child', (type(model),), {})
    assert native_format(model) == case.partition('-')[0]
    model = torch.nn.Linear(1, 1)  # released in no format
    warn_of_origin(model, 'mcc')
    assert native_format(model) is None and not messages


def test_unused_names_are_listed(monkeypatch, tmp_path):
    messages = []
    monkeypatch.setattr(
        'mmwsss.checkpoints.released_weights.print_log',
        lambda message, **_: messages.append(message),
    )
    model = make('mctformer_plus')
    state, _ = release('mctformer_plus', model)
    load_weights(model, saved(state, 'mctformer_plus', tmp_path))
    assert messages == [
        'released weights of MCTformer+: MCTformerPlus ignored the keys norm.bias, norm.weight, '
        'pos_embed'
    ]
    psa = make('psa')
    state = {
        **release('psa', psa)[0],
        **{f'fc8.part{index:02}': torch.ones(1) for index in range(25)},
    }
    load_weights(psa, saved(state, 'psa', tmp_path))
    assert messages[1].endswith('fc8.part19 and 5 more')


def test_attached_once():
    model = make('irn')
    count = len(model._load_state_dict_pre_hooks)
    accept_released_weights(accept_released_weights(model))
    assert len(model._load_state_dict_pre_hooks) == count == 1
