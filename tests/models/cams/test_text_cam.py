"""TextCAM against plain autograd through a CLIP of transformers with random weights."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmwsss.functional.cam import minmax_normalize, refine_in_boxes
from mmwsss.models.cams import TextCAM, cam_methods
from mmwsss.preparation.text_prompts import write_prompts
from mmwsss.registry import MODELS
from mmwsss.utils.text_embeddings import read_text_embeddings, write_text_embeddings

CLASSES, BACKGROUNDS = ['cat', 'potted plant', 'bus'], ['sky', 'road']
WIDTH = 24


def tokenizer(sentences, padding, return_tensors):
    """Every letter is a token; the last one has the highest number, as CLIP's end has."""
    length = max(map(len, sentences)) + 1
    ids = torch.zeros(len(sentences), length, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, sentence in enumerate(sentences):
        ids[row, : len(sentence)] = torch.tensor([ord(letter) % 90 for letter in sentence])
        ids[row, len(sentence)] = 99
        mask[row, : len(sentence) + 1] = 1
    return dict(input_ids=ids, attention_mask=mask)


@pytest.fixture
def clip():
    transformers = pytest.importorskip('transformers')
    tower = dict(
        hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2
    )
    config = transformers.CLIPConfig(
        text_config=dict(tower, vocab_size=100, eos_token_id=99, max_position_embeddings=64),
        vision_config=dict(tower, image_size=64, patch_size=16),
        projection_dim=16,
    )
    config._attn_implementation = 'eager'
    model = transformers.CLIPModel(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
        model.logit_scale.fill_(2.0)
    return model


def classifier(clip, file):
    model = MODELS.build(
        dict(
            type='mmwsss.ACRClassifier',
            num_classes=len(CLASSES),
            backbone=dict(
                type='mmwsss.TokenViT',
                arch=dict(embed_dims=WIDTH, num_layers=2, num_heads=2, feedforward_channels=48),
                img_size=64,
                final_norm=True,
                pre_norm=True,
                norm_cfg=dict(type='LN', eps=1e-5),
                layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU')),
            ),
            test_cfg=dict(
                refine=False,
                cam=dict(type='mmwsss.TextCAM', embeddings=str(file), classes=CLASSES),
            ),
        )
    ).eval()
    model.backbone.load_state_dict(clip.state_dict(), strict=False)
    return model


def expected_maps(clip, images, keys):
    """Of one class after the other, by hooks on the model of transformers."""
    sentences = [f'a clean origami {name}.' for name in [*CLASSES, *BACKGROUNDS]]
    tokens = tokenizer(sentences, True, 'pt')
    texts = F.normalize(clip.text_projection(clip.text_model(**tokens).pooler_output), dim=-1)
    kept = []
    layer = clip.vision_model.encoder.layers[-1].layer_norm1
    hook = layer.register_forward_hook(lambda module, args, output: kept.append(output))
    pooled = clip.vision_model(images, interpolate_pos_encoding=True).pooler_output
    hook.remove()
    projected = F.normalize(clip.visual_projection(pooled), dim=-1)
    cosines = projected @ texts[[*keys, 3, 4]].T
    probabilities = (clip.logit_scale.exp() * cosines).softmax(-1)
    maps = []
    for position in range(len(keys)):
        (gradient,) = torch.autograd.grad(
            probabilities[:, position].sum(), kept[0], retain_graph=True
        )
        weights = gradient[:, 1:].mean(1, keepdim=True)
        maps.append((weights * kept[0][:, 1:]).sum(-1).relu())
    return torch.stack(maps, 1).detach()


@pytest.mark.parametrize('size', [(64, 64), (48, 80)])
def test_equal_to_autograd_through_transformers(clip, size, tmp_path):
    file = tmp_path / 'texts.npz'
    write_prompts(file, clip, tokenizer, CLASSES, BACKGROUNDS)
    model, keys = classifier(clip, file), [2, 0]
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps = model.cam.maps_of(model, model.cam.extract(model, images), keys)
    expected = expected_maps(clip, images, keys)
    assert maps.shape == (2, 2, size[0] // 16, size[1] // 16) and expected.max() > 1e-6
    peak = expected.max()
    torch.testing.assert_close(maps.flatten(2) / peak, expected / peak, rtol=1e-4, atol=1e-5)


def test_refinement_by_boxes_and_the_last_layers(clip, tmp_path):
    file = tmp_path / 'texts.npz'
    write_prompts(file, clip, tokenizer, CLASSES, BACKGROUNDS)
    model, images = classifier(clip, file), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        plain = model.cam.maps_of(model, model.cam.extract(model, images), [2, 0])
        model.test_cfg['refine'] = True
        features = model.cam.extract(model, images)
        refined = model.cam.maps_of(model, features, [2, 0])
        attention = clip.vision_model(images, output_attentions=True).attentions
        affinity = torch.stack(attention).mean((0, 2))[:, 1:, 1:]
        expected = refine_in_boxes(minmax_normalize(plain), affinity)
        torch.testing.assert_close(refined, expected, rtol=1e-4, atol=1e-6)
        model.cam.box_threshold = None
        without = model.cam.maps_of(model, features, [2, 0])
    assert not torch.allclose(without / without.max(), refined / refined.max(), atol=0.01)
    with pytest.raises(ValueError, match=r'box_threshold must be in \[0,1\) or None, got 1'):
        TextCAM(file, CLASSES, box_threshold=1)


def test_prompts(clip, tmp_path):
    file = tmp_path / 'texts.npz'
    write_prompts(file, clip, tokenizer, CLASSES, BACKGROUNDS, dict(cat='kitten'), 'photo of {}')
    content = read_text_embeddings(file, CLASSES)
    tokens = tokenizer(['photo of kitten'], True, 'pt')
    expected = clip.text_projection(clip.text_model(**tokens).pooler_output)[0]
    torch.testing.assert_close(torch.from_numpy(content.embeddings[0]), expected.detach())
    assert content.names.tolist() == CLASSES + BACKGROUNDS
    with pytest.raises(ValueError, match="a prompt is given for 'dog', which is not one of the 3"):
        write_prompts(file, clip, tokenizer, CLASSES, BACKGROUNDS, dict(dog='puppy'))
    with pytest.raises(ValueError, match='has no place for the name'):
        write_prompts(file, clip, tokenizer, CLASSES, template='a photo')


def written(path, names=(*CLASSES, *BACKGROUNDS), width=WIDTH, num_classes=3):
    rng = np.random.default_rng(0)
    embeddings, projection = rng.normal(size=(5, 8)), rng.normal(size=(width, 8))
    write_text_embeddings(path, names, num_classes, embeddings, projection, 100.0, names)
    return path


def test_file_of_other_classes_is_refused(tmp_path):
    file = written(tmp_path / 'texts.npz')
    assert TextCAM(file, CLASSES).texts.shape == (5, 8)
    message = r"texts.npz: holds other classes .* number 1 \('potted plant' instead of 'dog'\)"
    with pytest.raises(ValueError, match=message) as error:
        TextCAM(file, ['cat', 'dog', 'bus'])
    assert 'make_text_cache.py' in str(error.value) and '\n' not in str(error.value)
    with pytest.raises(ValueError, match=r"3 instead of 4, .* \(none instead of 'car'\)"):
        TextCAM(file, [*CLASSES, 'car'])
    message = "texts.npz: computed from other sentences, such as 'cat': their hash is .* has 1a"
    with pytest.raises(ValueError, match=message):
        TextCAM(file, CLASSES, prompt_hash='1a')
    known = str(read_text_embeddings(file, CLASSES).prompt_hash)
    assert TextCAM(file, CLASSES, prompt_hash=known).num_classes == 3
    with pytest.raises(FileNotFoundError, match='nothing.npz'):
        TextCAM(tmp_path / 'nothing.npz', CLASSES)


def test_damaged_files(tmp_path):
    with pytest.raises(ValueError, match='texts.npz: damaged'):
        written(tmp_path / 'texts.npz', names=CLASSES)
    with pytest.raises(ValueError, match='texts.npz: damaged'):
        written(tmp_path / 'texts.npz', num_classes=9)
    np.savez(tmp_path / 'other.npz', names=np.array(CLASSES))
    with pytest.raises(ValueError, match='other.npz'):
        TextCAM(tmp_path / 'other.npz', CLASSES)


def test_another_network_is_refused(tmp_path):
    method = TextCAM(written(tmp_path / 'texts.npz', width=7), CLASSES)
    backbone = dict(
        type='mmwsss.TokenViT',
        arch=dict(embed_dims=WIDTH, num_layers=1, num_heads=2, feedforward_channels=48),
        img_size=32,
    )
    model = MODELS.build(dict(type='mmwsss.ACRClassifier', num_classes=3, backbone=backbone))
    features = method.extract(model, torch.rand(1, 3, 32, 32))
    with pytest.raises(ValueError, match=f'width 7, the backbone has {WIDTH}'):
        method.maps_of(model, features, [0])
    method = TextCAM(written(tmp_path / 'texts.npz'), CLASSES)
    with pytest.raises(ValueError, match='set final_norm=True and num_class_tokens=1'):
        method.maps_of(model, features, [0])


def test_it_is_not_chosen_without_a_file():
    assert not any('TextCAM' in config['type'] for config in cam_methods().values())
