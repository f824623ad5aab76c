"""ViT-hybrid: its ResNet stem against the golden vectors, sizes, foreign weights."""

import pytest
import torch

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.functional.attention import AttentionRequest
from mmwsss.models.backbones.resnet_stem import pad_same
from mmwsss.registry import MODELS
from tests.golden_tensors import golden_tensors

STEM = dict(depths=(1, 2, 1), channels=(128, 128, 256), stem_channels=32)
ARCH = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)


def hybrid(**options):
    return MODELS.build(
        dict(dict(type='mmwsss.HybridViT', arch=ARCH, img_size=64, stem=STEM), **options)
    ).eval()


def timm_name(name):
    """Name of a weight of ours in a timm checkpoint."""
    for ours, theirs in (
        ('patch_embed.projection.', 'patch_embed.proj.'),
        ('patch_embed.stem.', 'patch_embed.backbone.stem.'),
        ('patch_embed.stages.', 'patch_embed.backbone.stages.'),
        ('layers.', 'blocks.'),
        ('.ln1.', '.norm1.'),
        ('.ln2.', '.norm2.'),
        ('.ffn.blocks.0.0.', '.mlp.fc1.'),
        ('.ffn.blocks.1.', '.mlp.fc2.'),
        ('.ffn.layers.0.0.', '.mlp.fc1.'),
        ('.ffn.layers.1.', '.mlp.fc2.'),
    ):
        name = name.replace(ours, theirs)
    return name


@pytest.mark.parametrize('size', ['even', 'odd'])
def test_golden_stem(size):
    stem = MODELS.build(
        dict(type='mmwsss.ResNetStem', embed_dims=16, input_size=(32, 48), **STEM)
    ).double()
    state = {
        name.replace('proj.', 'projection.'): value.double()
        for name, value in golden_tensors('acr_hybrid_stem', 'param/').items()
    }
    stem.load_state_dict(state, strict=True)
    data = golden_tensors('acr_hybrid_stem', f'{size}/')
    inputs = data['input'].double()
    first, feat = stem.features(inputs)
    torch.testing.assert_close(first[:, :8], data['stem'], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(feat, data['feat'], rtol=1e-9, atol=1e-9)
    tokens, grid = stem(inputs)
    torch.testing.assert_close(tokens, data['tokens'], rtol=1e-9, atol=1e-9)
    assert grid == tuple(feat.shape[-2:]) == tuple(-(-side // 16) for side in inputs.shape[-2:])
    assert stem.stride == 16 and stem.init_out_size == (2, 3)


@pytest.mark.parametrize(
    'side, kernel, stride, pads',
    [
        (8, 7, 2, (2, 3)),
        (7, 7, 2, (3, 3)),
        (8, 3, 2, (0, 1)),
        (9, 3, 1, (1, 1)),
        (4, 1, 2, (0, 0)),
        (1, 1, 2, (0, 0)),
    ],
)
def test_same_padding(side, kernel, stride, pads):
    padded = pad_same(torch.ones(1, 1, side, side), kernel, stride)
    assert padded.shape[-1] == side + sum(pads)
    assert padded[0, 0, pads[0], : pads[0]].sum() == 0 and padded[0, 0, pads[0], pads[0]] == 1


def test_size_of_the_network():
    """99.0 M parameters with the head of ImageNet, of which the final norm and that head are not
    here.
    """
    with torch.device('meta'):
        model = MODELS.build(dict(type='mmwsss.HybridViT'))
    count = sum(weight.numel() for weight in model.parameters())
    assert abs(count + 1000 * 769 + 2 * 768 - 99.0e6) < 0.05e6
    assert not any('BatchNorm' in type(module).__name__ for module in model.modules())
    assert (model.num_layers, model.embed_dims, model.patch_resolution) == (12, 768, (24, 24))
    assert 'ln1.weight' not in dict(model.named_parameters())


@pytest.mark.parametrize(
    'size, grid',
    [
        ((64, 64), (4, 4)),
        ((48, 80), (3, 5)),
        ((50, 70), (4, 5)),
        ((16, 16), (1, 1)),
        ((9, 40), (1, 3)),
    ],
)
def test_any_size(size, grid):
    """What is not a multiple of 16 is padded with zeros to one."""
    model = hybrid()
    images = torch.randn(2, 3, *size)
    features = model(images, attention={'all': AttentionRequest('all')})
    assert features.patch_map.shape == (2, 16, *grid) and features.class_tokens.shape == (2, 1, 16)
    assert features.attention['all'].shape == (2, 1 + grid[0] * grid[1], 1 + grid[0] * grid[1])
    padded = torch.zeros(2, 3, *(16 * side for side in grid))
    padded[..., : size[0], : size[1]] = images
    torch.testing.assert_close(model(padded).patch_map, features.patch_map)


def test_batch_size_changes_nothing():
    model, images = hybrid().train(), torch.randn(3, 3, 64, 64)
    torch.testing.assert_close(
        model(images).class_tokens[:1], model(images[:1]).class_tokens, rtol=1e-4, atol=1e-5
    )


def test_timm_weights():
    """Names of timm, its final norm and its ImageNet head left out, positions of another grid
    resized bilinearly.
    """
    model, other = hybrid(), hybrid(img_size=96)
    state = {timm_name(name): torch.randn_like(value) for name, value in other.state_dict().items()}
    assert (
        'patch_embed.backbone.stages.1.blocks.0.downsample.conv.weight' in state
        and 'blocks.1.mlp.fc2.bias' in state
    )
    extra = {
        'norm.weight': torch.ones(16),
        'norm.bias': torch.zeros(16),
        'head.weight': torch.ones(10, 16),
        'head.bias': torch.ones(10),
    }
    keys = model.load_state_dict({**state, **extra}, strict=True)
    assert not keys.missing_keys
    loaded = model.state_dict()
    for name in (
        'patch_embed.stem.conv.weight',
        'patch_embed.stages.2.blocks.0.norm3.bias',
        'patch_embed.projection.weight',
        'layers.1.attn.qkv.weight',
    ):
        torch.testing.assert_close(loaded[name], state[timm_name(name)])
    planes = state['pos_embed'][:, 1:].view(1, 6, 6, 16).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(
        planes, size=(4, 4), mode='bilinear', align_corners=False
    )
    torch.testing.assert_close(loaded['pos_embed'][:, 1:], expected.flatten(2).transpose(1, 2))


def test_positions_of_another_grid_are_bilinear():
    model = hybrid()
    with torch.no_grad():
        model.pos_embed.normal_()
    seen = []
    model.drop_after_pos.register_forward_hook(lambda module, inputs, output: seen.append(output))
    images = torch.randn(1, 3, 48, 96)
    model(images)
    planes = model.pos_embed[:, 1:].view(1, 4, 4, 16).permute(0, 3, 1, 2)
    expected = (
        torch.nn.functional.interpolate(planes, size=(3, 6), mode='bilinear', align_corners=False)
        .flatten(2)
        .transpose(1, 2)
    )
    torch.testing.assert_close(seen[0][:, 1:], model.patch_embed(images)[0] + expected)


def test_bad_options():
    with pytest.raises(ValueError, match='one entry per stage'):
        hybrid(stem=dict(depths=(1, 2), channels=(64, 64, 64)))
    with pytest.raises(ValueError, match='pos_interp_mode must be'):
        hybrid(pos_interp_mode='nearest')
