"""MCTformer+: maps, losses, gradients and CAM files of the released code."""

import math

import numpy as np
import pytest
import torch

from mmwsss.apis import infer_cams
from mmwsss.datasets.transforms import MultiScaleViews
from mmwsss.models.losses import ClassTokenContrastLoss
from tests.mctformer_golden import (
    CAM_ARCH,
    MODEL_ARCH,
    build,
    close,
    golden,
    inference,
    samples_with,
    state_of,
)

SIZES = ('sq64', 'h48w64', 'h70w90', 'sq80', 'h32w128', 'sq70')


@pytest.fixture(scope='module')
def data():
    return golden('mctformer_plus_model')


def network(data, **options):
    return build(5, MODEL_ARCH, state=state_of(data), **options)


@pytest.mark.parametrize('size', SIZES)
@torch.no_grad()
def test_released_scores_and_maps(data, size):
    model = network(data)
    image = torch.from_numpy(data[f'{size}/image'])
    features, maps = model.extract(image)
    close(maps, data[f'{size}/patch_logit_map'])
    logits = data[f'{size}/x_cls_logits'], data[f'{size}/x_patch_logits']
    close(model.class_head(features.class_tokens), logits[0])
    close(model.patch_head.pool(maps), logits[1])
    scores = torch.from_numpy(logits[0] + logits[1]).div(2).sigmoid()
    close(model(image), scores)
    for map_type in ('fused', 'mct', 'patchcam'):
        for layers in (3, 2):
            for refine, name in (
                (False, f'cam_{map_type}_k{layers}'),
                (True, f'refined_{map_type}_k{layers}'),
            ):
                if f'{size}/{name}' in data:
                    model.test_cfg.update(map_type=map_type, attention_layers=layers, refine=refine)
                    close(
                        model.maps_of(model.extract(image), [0, 1, 2, 3, 4]), data[f'{size}/{name}']
                    )
                    close(
                        model.maps_of(model.extract(image), [3, 1]),
                        data[f'{size}/{name}'][:, [3, 1]],
                    )


def our_gradients(model):
    """Gradients under the released names: there, class and patch positions are two parameters."""
    gradients = {}
    for name, parameter in model.named_parameters():
        if name == 'backbone.pos_embed':
            gradients['pos_embed_cls'], gradients['pos_embed_pat'] = (
                parameter.grad[:, :5],
                parameter.grad[:, 5:],
            )
            continue
        for ours, theirs in (
            ('backbone.', ''),
            ('patch_head.conv', 'head'),
            ('patch_embed.projection', 'patch_embed.proj'),
            ('layers.', 'blocks.'),
            ('ffn.blocks.0.0', 'mlp.fc1'),
            ('ffn.blocks.1', 'mlp.fc2'),
            ('.ln', '.norm'),
        ):
            name = name.replace(ours, theirs)
        gradients[name] = parameter.grad
    return gradients


@pytest.mark.parametrize(
    'run, num_layers, weight',
    [
        ('cct12_w1.0', 12, 1.0),
        ('cct12_w1.0', None, 1.0),
        ('cct1_w1.0', 1, 1.0),
        ('cct2_w0.5', 2, 0.5),
    ],
)
def test_released_training_step(data, run, num_layers, weight):
    model = network(data, contrast_loss=dict(num_layers=num_layers), contrast_weight=weight).train()
    losses = model(
        torch.from_numpy(data['sq64/image']), samples_with(data['train/targets']), mode='loss'
    )
    assert set(losses) == {'loss_cls', 'loss_patch', 'loss_contrast'}
    close(losses['loss_cls'], data[f'train/{run}/loss_cls'])
    close(losses['loss_patch'], data[f'train/{run}/loss_patch'])
    close(losses['loss_contrast'], weight * data[f'train/{run}/loss_cct'])
    total, _ = model.parse_losses(losses)
    close(total, data[f'train/{run}/loss_total'])
    total.backward()
    gradients = our_gradients(model)
    norms = dict(
        zip(data[f'train/{run}/grad_names'].tolist(), data[f'train/{run}/grad_norms'].tolist())
    )
    unused = {name for name, norm in norms.items() if math.isnan(norm)}
    assert (
        unused == {'pos_embed', 'norm.weight', 'norm.bias'}
        and set(gradients) == set(norms) - unused
    )
    for name, gradient in gradients.items():
        assert gradient.norm().item() == pytest.approx(norms[name], rel=1e-3, abs=1e-4), name
    compared = 0
    for key, reference in data.items():
        if key.startswith(f'train/{run}/grad/'):
            close(gradients[key.rpartition('/')[2]], reference, rtol=1e-3, atol=1e-5)
            compared += 1
    assert compared == (7 if run == 'cct12_w1.0' else 0)


@pytest.fixture(scope='module')
def cam_data():
    return golden('mctformer_plus_cam')


VARIANTS = {
    'fused_k12_ref': dict(),
    'fused_k12_noref': dict(refine=False),
    'fused_k2_ref': dict(attention_layers=2),
    'mct_k3_ref': dict(map_type='mct', attention_layers=3),
    'patchcam_k12_ref': dict(map_type='patchcam'),
}


@pytest.mark.parametrize('variant', VARIANTS)
def test_released_cam_generation(cam_data, variant):
    model = inference(build(20, CAM_ARCH, state=state_of(cam_data), test_cfg=VARIANTS[variant]))
    image = np.ascontiguousarray(cam_data['image_rgb_uint8'][..., ::-1])
    tags = np.flatnonzero(cam_data['label']).tolist()
    assert tags == [0, 3, 14]
    result = infer_cams(model, image, tags=tags, scales=(1.0, 0.75, 1.25), flip=True)
    assert result.classes.tolist() == cam_data[
        f'{variant}/keys'
    ].tolist() == tags and result.names == ['0', '3', '14']
    assert (
        result.cams.dtype == np.float32
        and result.cams.shape == (3, 75, 100)
        and result.scores.shape == (20,)
    )
    np.testing.assert_allclose(
        result.cams[:, ::2], cam_data[f'{variant}/cam_even_rows'], rtol=1e-4, atol=1e-5
    )


def test_released_views_and_low_resolution_maps(cam_data):
    """Pixels of each scale, and what the network makes of each and of its mirror image."""
    model = build(20, CAM_ARCH, state=state_of(cam_data))
    image = np.ascontiguousarray(cam_data['image_rgb_uint8'][..., ::-1])
    views = MultiScaleViews((1.0, 0.75, 1.25)).transform(dict(img=image))['views']
    for index, view in enumerate(views):
        assert np.array_equal(view[..., ::-1], cam_data[f'ms_input_rgb/{2 * index}'])
    pixels = [[torch.from_numpy(view.transpose(2, 0, 1).copy())] for view in views]
    inputs = model.data_preprocessor(
        dict(inputs=pixels, data_samples=samples_with(cam_data['label'][None]))
    )['inputs']
    for index, view in enumerate(inputs[0]):
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        expected = (
            torch.from_numpy(cam_data[f'ms_input_rgb/{2 * index}'] / np.float32(255)) - mean
        ) / std
        close(view[0].permute(1, 2, 0), expected)
        for flip in (0, 1):
            with torch.no_grad():
                maps = model.maps_of(model.extract(view.flip(-1) if flip else view), [0, 3, 14])
            close(maps[0], cam_data[f'fused_k12_ref/lowres_map/{2 * index + flip}'])


def test_identical_class_tokens():
    """The start from DeiT: all class tokens are one; the contrast is ln C and has no gradient, all
    classes score the same.
    """
    model = build(7, MODEL_ARCH).train()
    with torch.no_grad():
        model.backbone.cls_token[:] = torch.randn(1, 1, 32)
        model.backbone.pos_embed[:, :7] = torch.randn(1, 1, 32)
    features = model.backbone(torch.rand(3, 3, 64, 64), class_embeddings=True)
    logits = model.class_head(features.class_tokens)
    torch.testing.assert_close(logits, logits[:, :1].expand(-1, 7))
    tags = torch.tensor([[1.0, 1, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0, 0], [1] * 7])
    loss = model.contrast_loss(features.class_embeddings, tags)
    assert loss.item() == pytest.approx(math.log(7), rel=1e-6)
    gradients = torch.autograd.grad(loss, list(model.backbone.parameters()), allow_unused=True)
    assert max(gradient.abs().max().item() for gradient in gradients if gradient is not None) < 1e-6


def test_contrast_can_be_switched_off(data):
    model = network(data, contrast_weight=0.0).train()
    losses = model.loss(torch.from_numpy(data['sq64/image']), samples_with(data['train/targets']))
    assert set(losses) == {'loss_cls', 'loss_patch'}


def test_paper_variant_of_the_contrast(data):
    model = network(data, contrast_loss=dict(normalize=False, rows='all')).train()
    tags = torch.from_numpy(data['train/targets'])
    losses = model.loss(torch.from_numpy(data['sq64/image']), samples_with(tags))
    embeddings = torch.from_numpy(data['sq64/class_embeddings'])
    close(
        losses['loss_contrast'],
        ClassTokenContrastLoss(normalize=False, rows='all')(embeddings, tags),
        rtol=1e-3,
        atol=1e-4,
    )


def test_no_image_has_tags():
    model = build(4, MODEL_ARCH).train()
    losses = model.loss(torch.rand(2, 3, 64, 64), samples_with(torch.zeros(2, 4)))
    assert losses['loss_contrast'].item() == 0
    sum(losses.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize('num_classes', [1, 80])
def test_number_of_classes(num_classes):
    model = build(num_classes, CAM_ARCH).train()
    losses = model.loss(
        torch.rand(2, 3, 64, 64),
        samples_with(torch.eye(2, num_classes) if num_classes > 1 else torch.ones(2, 1)),
    )
    sum(losses.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    result = infer_cams(
        inference(model.eval(), scales=(1.0, 0.5)),
        np.random.default_rng(0).integers(0, 256, (40, 64, 3), np.uint8),
        tags=list(range(num_classes)),
    )
    assert (
        result.cams.shape == (num_classes, 40, 64)
        and 0 <= result.cams.min()
        and result.cams.max() <= 1
    )


def test_data_set_with_another_number_of_classes():
    with pytest.raises(ValueError, match='the model has 4 classes, the data set 5'):
        build(4, MODEL_ARCH).loss(torch.rand(1, 3, 64, 64), samples_with(torch.ones(1, 5)))


def test_half_precision_training_is_close(data):
    model = network(data).train()
    inputs, samples = torch.from_numpy(data['sq64/image']), samples_with(data['train/targets'])
    with torch.autocast('cpu', torch.bfloat16):
        losses = model.loss(inputs, samples)
    for name, key in (
        ('loss_cls', 'loss_cls'),
        ('loss_patch', 'loss_patch'),
        ('loss_contrast', 'loss_cct'),
    ):
        assert losses[name].dtype == torch.float32
        assert losses[name].item() == pytest.approx(
            float(data[f'train/cct12_w1.0/{key}']), rel=0.03
        )
