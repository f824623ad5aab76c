"""Backbones by the names of timm and of folders of transformers, without network."""

import sys

import pytest
import torch

from mmwsss.functional.attention import AttentionRequest
from mmwsss.models.backbones import LibraryViT
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

from .test_token_vit_libraries import assert_equal, image, of_transformers, randomise

TINY = dict(depth=2, embed_dim=32, num_heads=2)


@pytest.mark.parametrize(
    'name',
    [
        'vit_small_patch14_reg4_dinov2',
        'vit_small_patch16_dinov3_qkvb',
        'eva02_base_patch14_224',
        'vit_base_patch16_clip_quickgelu_224',
    ],
)
@torch.no_grad()
def test_timm(name, tmp_path):
    timm = pytest.importorskip('timm')
    patch = 14 if 'patch14' in name else 16
    options = dict(TINY, img_size=4 * patch)
    theirs = randomise(timm.create_model(name, num_classes=0, **options))
    torch.save(theirs.state_dict(), tmp_path / 'weights.pth')
    options['pretrained_cfg_overlay'] = dict(file=str(tmp_path / 'weights.pth'), num_classes=0)
    model = MODELS.build(
        dict(type='mmwsss.LibraryViT', name=f'timm:{name}', library_options=options)
    ).eval()
    model.init_weights()
    x = image((56, 56), patch)
    found = model(x, attention=dict(a=AttentionRequest('class_to_patch')))
    assert_equal(found.class_tokens[:, 0], theirs.forward_features(x)[:, 0])
    assert found.attention['a'].shape == (2, 1, 16)
    assert model(image((84, 42), patch)).patch_map.shape == (2, 32, 6, 3)


@pytest.mark.parametrize('kind', ['ViT', 'ViTMAE', 'Dinov2', 'DINOv3ViT', 'CLIPVision'])
@torch.no_grad()
def test_transformers(kind, tmp_path):
    special = dict(Dinov2={}, DINOv3ViT=dict(num_register_tokens=4, intermediate_size=128))
    options = special.get(kind, dict(intermediate_size=128))
    theirs = of_transformers(f'{kind}Model', f'{kind}Config', 16, **options)
    theirs.save_pretrained(tmp_path)
    model = LibraryViT(f'hf:{tmp_path}', num_class_tokens=3).eval()
    model.init_weights()
    assert model.num_class_tokens == 3 and model.img_size == (64, 64)
    assert torch.equal(model.cls_token[:, :1], model.cls_token[:, 2:])
    single = LibraryViT(f'hf:{tmp_path}').eval()
    single.init_weights()
    x = image((56, 56), 16)
    theirs.config.mask_ratio = 0.0
    output = theirs(x)
    expected = output.pooler_output if 'CLIP' in kind else output.last_hidden_state[:, 0]
    assert_equal(single(x).class_tokens[:, 0], expected)


@torch.no_grad()
def test_image_tower_of_a_whole_clip(tmp_path):
    transformers = pytest.importorskip('transformers')
    tower = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    config = transformers.CLIPConfig(
        text_config=dict(tower, vocab_size=50),
        vision_config=dict(tower, image_size=64, patch_size=16),
        projection_dim=8,
    )
    theirs = randomise(transformers.CLIPModel(config))
    theirs.save_pretrained(tmp_path)
    model = LibraryViT(f'hf:{tmp_path}').eval()
    model.init_weights()
    x = image((56, 56), 16)
    assert_equal(model(x).class_tokens[:, 0], theirs.vision_model(x).pooler_output)


def test_classifiers_on_dinov3():
    """A token per class and its attention; gradients of attention with rotary positions."""
    pytest.importorskip('timm')
    backbone = dict(
        type='mmwsss.LibraryViT',
        name='timm:vit_small_patch16_dinov3',
        library_options=TINY,
        pretrained=False,
        img_size=64,
    )
    torch.manual_seed(0)
    for kind in ('MCTformerPlus', 'ACRClassifier'):
        model = MODELS.build(dict(type=f'mmwsss.{kind}', num_classes=3, backbone=dict(backbone)))
        model.init_weights()
        samples = [WSSSDataSample().set_gt_tags([1.0, 0, 1]) for _ in range(2)]
        losses = model(torch.randn(2, 3, 64, 64), samples, mode='loss')
        sum(losses.values()).backward()
        gradient = model.backbone.layers[0].attn.qkv.weight.grad
        assert gradient.isfinite().all() and gradient.abs().sum() > 0
        found = model.eval().predict(torch.randn(2, 3, 48, 80), samples)[0].pred_cams.data
        assert found.shape == (2, 48, 80) and found.std() > 0


def test_what_differs_is_refused(tmp_path):
    theirs = of_transformers('Dinov2Model', 'Dinov2Config')
    theirs.save_pretrained(tmp_path)
    model = LibraryViT(f'hf:{tmp_path}', norm_cfg=dict(type='LN', eps=0.1))
    with pytest.raises(ValueError, match='its class token differs by .* from that of the library'):
        model.init_weights()
    LibraryViT(f'hf:{tmp_path}', pretrained=False, norm_cfg=dict(type='LN', eps=0.1)).init_weights()


def test_bad_input(tmp_path, monkeypatch):
    pytest.importorskip('timm')
    tiny = dict(pretrained=False, library_options=TINY)
    name = 'timm:vit_small_patch14_dinov2'
    with pytest.raises(ValueError, match='patches of 14 pixels do not divide the crop of 512; '):
        LibraryViT(name, img_size=512, **tiny)
    assert LibraryViT(name, img_size=512, pad_to_patch=True, **tiny).patch_size == 14
    with pytest.raises(ValueError, match='choose 504 or 518'):
        LibraryViT(name, img_size=(448, 512), **tiny)
    with pytest.raises(ValueError, match="'vit': not the name of a network; write timm:"):
        LibraryViT('vit')
    for unknown in ('timm:no_such_network', f'hf:{tmp_path}'):
        with pytest.raises(ValueError, match='cannot be had') as error:
            LibraryViT(unknown)
        assert '\n' not in str(error.value)
    with pytest.raises(ValueError, match='has a ResNet, not a vision.* mmpretrain.TIMMBackbone'):
        LibraryViT('timm:resnet18')
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(ValueError, match='needs timm: pip install') as error:
        LibraryViT(name)
    assert 'mmwsss[foundation]' in str(error.value)
