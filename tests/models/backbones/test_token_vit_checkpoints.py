"""Foreign weights in TokenViT and in the classifiers: init_cfg and load_weights."""

import argparse
from urllib.error import URLError

import pytest
import torch
from mmpretrain.models.backbones import ResNet, VisionTransformer

from mmwsss.apis import load_weights
from mmwsss.functional.tokens import resize_grid
from mmwsss.models.backbones import TokenViT
from tests.mctformer_golden import INIT_ARCH, build, golden, state_of

TRANSLATED = {
    'patch_embed.proj.': 'patch_embed.projection.',
    'norm1.': 'ln1.',
    'norm2.': 'ln2.',
    'mlp.fc1.': 'ffn.layers.0.0.',
    'mlp.fc2.': 'ffn.layers.1.',
    'blocks.': 'layers.',
}


def deit():
    """The made-up DeiT checkpoint: one class token, 2x2 patches, 10 classes."""
    return state_of(golden('mctformer_plus_init'), 'ckpt/')


def our_name(name):
    for theirs, ours in TRANSLATED.items():
        name = name.replace(theirs, ours)
    return name


def mmpretrain_names(state):
    renamed = {our_name(name): value for name, value in state.items()}
    renamed['ln1.weight'], renamed['ln1.bias'] = (
        renamed.pop('norm.weight'),
        renamed.pop('norm.bias'),
    )
    return {name: value for name, value in renamed.items() if not name.startswith('head.')}


def distilled(state):
    state = dict(
        state,
        dist_token=torch.randn(1, 1, 16),
        **{'head_dist.weight': torch.ones(10, 16), 'head_dist.bias': torch.ones(10)},
    )
    position = state['pos_embed']
    state['pos_embed'] = torch.cat([position[:, :1], torch.randn(1, 1, 16), position[:, 1:]], 1)
    return state


FORMS = {
    'plain': lambda state: state,
    'deit': lambda state: {'model': state, 'args': argparse.Namespace(lr=1e-3)},
    'module': lambda state: {
        'state_dict': {f'module.{name}': value for name, value in state.items()},
        'epoch': 3,
    },
    'model-module': lambda state: {
        'model': {f'module.{name}': value for name, value in state.items()}
    },
    'distilled': lambda state: {'model': distilled(state)},
    'mmpretrain': mmpretrain_names,
    'mmpretrain-classifier': lambda state: {
        'meta': {},
        'state_dict': {
            **{f'backbone.{name}': value for name, value in mmpretrain_names(state).items()},
            'head.layers.head.weight': torch.ones(10, 16),
        },
    },
    'mmpretrain-model': lambda state: {'model': mmpretrain_names(state)},
}


@pytest.fixture(params=FORMS)
def checkpoint(request, tmp_path):
    torch.save(FORMS[request.param](deit()), tmp_path / 'deit.pth')
    return tmp_path / 'deit.pth'


def pretrained(file, *, num_class_tokens=5, arch=INIT_ARCH, img_size=64, **options):
    model = TokenViT(
        arch,
        num_class_tokens=num_class_tokens,
        img_size=img_size,
        init_cfg=dict(type='Pretrained', checkpoint=str(file)),
        **options,
    )
    model.init_weights()
    return model


def check_released(backbone):
    """Everything is what the released code makes of the checkpoint."""
    data = golden('mctformer_plus_init')
    state = backbone.state_dict()
    assert torch.equal(state['cls_token'], torch.from_numpy(data['loaded/cls_token']))
    assert torch.equal(state['pos_embed'][:, :5], torch.from_numpy(data['loaded/pos_embed_cls']))
    assert torch.equal(state['pos_embed'][:, 5:], torch.from_numpy(data['loaded/pos_embed_pat']))
    copied = [
        name for name in data['keys_copied_verbatim'] if not name.startswith(('norm.', 'pos_embed'))
    ]
    assert len(copied) + 2 == len(state)
    for name in copied:
        assert torch.equal(state[our_name(name)], torch.from_numpy(data[f'ckpt/{name}'])), name


def test_released_start_through_init_cfg(checkpoint):
    check_released(pretrained(checkpoint))


def test_released_start_through_load_weights(checkpoint):
    backbone = TokenViT(INIT_ARCH, num_class_tokens=5, img_size=64)
    load_weights(backbone, checkpoint)
    check_released(backbone)
    classifier = build(5, INIT_ARCH)
    head = classifier.patch_head.conv.weight.clone()
    with pytest.raises(
        ValueError, match='no weights for 2 entries of MCTformerPlus, first patch_head.conv.weight'
    ):
        load_weights(classifier, checkpoint)
    load_weights(classifier, checkpoint, partial=True)
    check_released(classifier.backbone)
    assert torch.equal(classifier.patch_head.conv.weight, head)


def test_classifier_initialises_its_backbone(checkpoint):
    model = build(
        5, INIT_ARCH, backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=str(checkpoint)))
    )
    check_released(model.backbone)
    weight = model.patch_head.conv.weight
    assert weight.shape == tuple(golden('mctformer_plus_init')['loaded_head_weight_shape'])
    assert 0.9 < weight.abs().max() * (9 * 16) ** 0.5 <= 1  # PyTorch's default of a convolution


def saved(state, tmp_path, name='weights.pth'):
    torch.save(state, tmp_path / name)
    return tmp_path / name


def test_position_grid_of_other_sizes(tmp_path):
    file = saved(deit(), tmp_path)
    grid = deit()['pos_embed'][:, 1:]
    nearest, bicubic = (
        pretrained(file).pos_embed[:, 5:],
        pretrained(file, pos_init='bicubic').pos_embed[:, 5:],
    )
    torch.testing.assert_close(nearest, resize_grid(grid, ((2, 2), (4, 4)), mode='nearest'))
    torch.testing.assert_close(bicubic, resize_grid(grid, ((2, 2), (4, 4))))
    assert not torch.allclose(nearest, bicubic)
    # no integer ratio
    torch.testing.assert_close(
        pretrained(file, img_size=48).pos_embed[:, 5:], resize_grid(grid, ((2, 2), (3, 3)))
    )
    torch.testing.assert_close(
        pretrained(file, img_size=(32, 96)).pos_embed[:, 5:],
        resize_grid(grid, ((2, 2), (2, 6)), mode='nearest'),
    )
    assert torch.equal(pretrained(file, img_size=32).pos_embed[:, 5:], grid)


def test_start_of_v1_and_v2(tmp_path):
    """Released V1 and V2: repeated token and position, grid of the checkpoint's own size kept."""
    file = saved(deit(), tmp_path)
    model = build(
        5,
        INIT_ARCH,
        type='mmwsss.MCTformer',
        patch_head=dict(pooling='gap'),
        backbone=dict(
            img_size=32,
            pos_init='bicubic',
            pos_interp_offset=0.1,
            init_cfg=dict(type='Pretrained', checkpoint=str(file)),
        ),
    )
    state = deit()
    assert torch.equal(
        model.backbone.pos_embed,
        torch.cat([state['pos_embed'][:, :1].repeat(1, 5, 1), state['pos_embed'][:, 1:]], 1),
    )
    assert torch.equal(model.backbone.cls_token, state['cls_token'].repeat(1, 5, 1))


def test_random_tokens_on_request(tmp_path):
    model = pretrained(saved(deit(), tmp_path), token_init='trunc_normal')
    assert torch.equal(model.layers[1].attn.qkv.weight, deit()['blocks.1.attn.qkv.weight'])
    assert 0.01 < model.cls_token.std() < 0.03 and 0.01 < model.pos_embed.std() < 0.03
    assert not torch.equal(model.cls_token[:, 0], model.cls_token[:, 1])


def test_final_norm_is_loaded_where_there_is_one(tmp_path):
    model = pretrained(saved(deit(), tmp_path), num_class_tokens=1, final_norm=True, img_size=32)
    assert torch.equal(model.ln1.weight, deit()['norm.weight'])
    reference = VisionTransformer(INIT_ARCH, 32, 16, out_type='cls_token')
    reference.load_state_dict(mmpretrain_names(deit()))
    reference.eval()
    image = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(model.eval()(image).class_tokens[:, 0], reference(image)[0])


def test_own_checkpoints_load_at_another_size(tmp_path):
    model = build(5, INIT_ARCH)
    file = saved(dict(state_dict=model.state_dict(), meta={}), tmp_path)
    larger = build(5, INIT_ARCH, backbone=dict(img_size=128))
    load_weights(larger, file)
    expected = resize_grid(model.backbone.pos_embed[:, 5:], ((4, 4), (8, 8)), mode='nearest')
    assert torch.equal(larger.backbone.pos_embed[:, 5:], expected)
    same = build(5, INIT_ARCH)
    load_weights(
        same,
        saved(
            {'model': {f'module.{name}': value for name, value in model.state_dict().items()}},
            tmp_path,
        ),
    )
    for name, value in model.state_dict().items():
        assert torch.equal(same.state_dict()[name], value), name


def official_state():
    return state_of(golden('mctformer_plus_model'))


def test_wrong_number_of_classes(tmp_path):
    with pytest.raises(ValueError, match=r'weights\.pth.*trained on 5 classes.* 20'):
        load_weights(
            build(20, dict(INIT_ARCH, embed_dims=32, num_layers=3)),
            saved({'model': official_state()}, tmp_path),
        )
    file = saved(dict(state_dict=build(5, INIT_ARCH).state_dict()), tmp_path)
    with pytest.raises(
        ValueError, match=r'weights\.pth.*5 class tokens, the model 20.*different classes'
    ):
        load_weights(build(20, INIT_ARCH), file)


@pytest.mark.parametrize(
    'arch, problem',
    [
        (dict(num_layers=3), '12 weights are missing, first layers.2'),
        (dict(num_layers=1), r'layers 1 do not exist'),
        (dict(embed_dims=32), r'checkpoint \(.*16.*\), model \(.*32'),
        (dict(feedforward_channels=64), r'ffn.*checkpoint \(32.*model \(64'),
    ],
)
def test_wrong_depth_or_width(arch, problem, tmp_path):
    file = saved({'model': deit()}, tmp_path)
    with pytest.raises(ValueError, match=rf'weights\.pth: .*another architecture.*({problem})'):
        pretrained(file, arch=dict(INIT_ARCH, **arch))
    with pytest.raises(ValueError, match=r'weights\.pth: .*another architecture'):
        load_weights(build(5, dict(INIT_ARCH, **arch)), file)


def test_checkpoint_of_a_resnet(tmp_path):
    file = saved(
        dict(state_dict=ResNet(18, base_channels=4, stem_channels=4).state_dict()), tmp_path
    )
    for call in (lambda: pretrained(file), lambda: load_weights(build(5, INIT_ARCH), file)):
        with pytest.raises(
            ValueError,
            match=r'weights\.pth: .*another architecture.*weights are missing, first cls_token',
        ):
            call()


def test_checkpoint_of_v1_for_a_model_with_patch_head(tmp_path):
    state = official_state()
    state['head.weight'], state['head.bias'] = torch.ones(5, 32), torch.ones(5)
    with pytest.raises(ValueError, match='V1, which has no patch head'):
        load_weights(build(5, dict(INIT_ARCH, embed_dims=32, num_layers=3)), saved(state, tmp_path))


def test_position_embedding_that_is_no_square(tmp_path):
    state = dict(deit(), pos_embed=torch.randn(1, 1 + 6, 16))
    with pytest.raises(ValueError, match='6 patches, which is not a square grid'):
        pretrained(saved(state, tmp_path))


def test_first_layers_of_a_checkpoint(tmp_path):
    whole, first = (
        pretrained(saved({'model': deit()}, tmp_path), **options) for options in ({}, dict(depth=1))
    )
    assert len(first.layers) == 1 < len(whole.layers)
    expected = whole.state_dict()
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, expected[name]), name
    assert len(TokenViT('deit-small', depth=6).layers) == 6


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='missing.pth'):
        pretrained(tmp_path / 'missing.pth')
    with pytest.raises(FileNotFoundError, match='missing.pth'):
        load_weights(build(5, INIT_ARCH), tmp_path / 'missing.pth')


def test_failed_download(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise URLError('Temporary failure in name resolution')

    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, 'download_url_to_file', offline)
    url = 'https://example.invalid/deit/deit_small.pth?download=1'
    with pytest.raises(FileNotFoundError) as caught:
        pretrained(url)
    message = str(caught.value)
    assert (
        url in message
        and f'{tmp_path}/checkpoints/deit_small.pth,' in message
        and 'name resolution' in message
    )
    (tmp_path / 'checkpoints').mkdir(exist_ok=True)
    saved({'model': deit()}, tmp_path / 'checkpoints', 'deit_small.pth')
    check_released(pretrained(url))  # placed by hand, as the message says
