"""ACRClassifier and the consistency of two views in any classifier."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch.nn import functional as F

from mmwsss.apis import infer_cams, init_model
from mmwsss.checkpoints.acr import release_acr_keys
from mmwsss.functional.views import make_view
from mmwsss.registry import MODELS
from tests.golden_tensors import golden_tensors
from tests.mctformer_golden import samples_with
from tests.models.cams.networks import C, attention_of, network
from tests.tools.program import CONFIGS

TAGS = [[1, 0, 1, 0], [0, 0, 0, 1]]


def expected_terms(model, images, others, undo):
    """Both terms from attention whose heads are all kept; ``undo`` brings (N',N') back to (N,N),
    image by image.
    """
    tokens = model.backbone.num_class_tokens
    first, second = (attention_of(model, inputs).mean(2) for inputs in (images, others))
    activation, affinity = [], []
    for layer in range(len(first)):
        for image in range(len(images)):
            one, two = first[layer, image], second[layer, image]
            activation.append(
                (one[:tokens, tokens:] - undo(two[:tokens, tokens:], False)).abs().mean()
            )
            affinity.append(
                (one[tokens:, tokens:] - undo(two[tokens:, tokens:], True)).abs().mean()
            )
    return sum(activation) / len(activation), sum(affinity) / len(affinity)


def unflip(grid):
    h, w = grid
    order = torch.arange(h * w).view(h, w).flip(1).flatten()
    return lambda attention, rows: attention[order][:, order] if rows else attention[:, order]


@pytest.mark.parametrize('kind', ['ACRClassifier', 'MCTformer', 'MCTformerPlus'])
@pytest.mark.parametrize('two', [False, True])
def test_losses(kind, two):
    """Flips, made by the model or given: sums of the plain losses of both views, and the terms from
    explicit attention.
    """
    options = {} if kind == 'ACRClassifier' else dict(patch_head=dict(pooling='gap'))
    consistency = dict(activation_weight=3.0, affinity_weight=7.0)
    model = network(kind, consistency=consistency, **options)
    images, tags = torch.randn(2, 3, 48, 64), torch.tensor(TAGS, dtype=torch.float32)
    others = images.flip(-1)
    samples = samples_with(TAGS, view=('hflip',)) if two else samples_with(TAGS)
    losses = model([images, others] if two else images, samples, mode='loss')
    activation, affinity = expected_terms(model, images, others, unflip((3, 4)))
    torch.testing.assert_close(losses.pop('loss_activation'), 3 * activation)
    torch.testing.assert_close(losses.pop('loss_affinity'), 7 * affinity)
    if kind == 'ACRClassifier':
        logits = [
            model.class_head(model.backbone(view).class_tokens[:, 0]) for view in (images, others)
        ]
        assert set(losses) == {'loss_cls'}
        torch.testing.assert_close(
            losses['loss_cls'],
            sum(F.multilabel_soft_margin_loss(scores, tags) for scores in logits),
        )
        return
    single = network(kind, **options)
    single.load_state_dict(model.state_dict())
    single = [single(view, samples_with(TAGS), mode='loss') for view in (images, others)]
    assert set(losses) == set(single[0]) and ('loss_contrast' in losses) == (
        kind == 'MCTformerPlus'
    )
    for name, value in losses.items():
        torch.testing.assert_close(value, single[0][name] + single[1][name])


@pytest.mark.parametrize('form', ['tensor', 'list'])
def test_views_of_other_sizes(form):
    """Rotated and resized views of a batch, some of them of one size: each image with its own."""
    model = network(consistency=dict(activation_weight=1.0, affinity_weight=1.0))
    images, tags = (
        torch.randn(3, 3, 48, 64),
        torch.tensor([*TAGS, [0, 1, 1, 0]], dtype=torch.float32),
    )
    steps = (
        [('rot90',), ('rot90',), ('rot270',)]
        if form == 'tensor'
        else [('rot90',), ('resize', 'hflip'), ('transpose',)]
    )
    others = [make_view(image[None], view, size=(64, 80))[0] for image, view in zip(images, steps)]
    samples = samples_with(tags)
    for sample, view in zip(samples, steps):
        sample.set_metainfo(dict(view=view))
    losses = model(
        [images, torch.stack(others) if form == 'tensor' else others], samples, mode='loss'
    )
    expected = dict(loss_cls=0, loss_activation=0, loss_affinity=0)
    for image, other, view, row in zip(images, others, steps, tags):
        grid = tuple(side // 16 for side in other.shape[1:])
        first, second = (attention_of(model, one[None]).mean(2) for one in (image, other))
        for name in ('activation', 'affinity'):
            criterion = MODELS.build(dict(type='mmwsss.AttentionConsistencyLoss', term=name))
            expected[f'loss_{name}'] += (
                criterion(
                    first.transpose(0, 1), second.transpose(0, 1), (3, 4), view, grid_of_view=grid
                )
                / 3
            )
        logits = model.class_logits(model.backbone(other[None]).class_tokens)
        expected['loss_cls'] += F.multilabel_soft_margin_loss(logits, row[None]) / 3
    expected['loss_cls'] += F.multilabel_soft_margin_loss(
        model.class_logits(model.backbone(images).class_tokens), tags
    )
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)
    sum(losses.values()).backward()
    assert all(
        weight.grad is not None and torch.isfinite(weight.grad).all()
        for weight in model.parameters()
    )


def test_released_total():
    """Weights and sum of the golden step."""
    data = golden_tensors('acr_losses')
    logits = data['cls/logits1'], data['cls/logits2']
    losses = [F.multilabel_soft_margin_loss(scores, data['cls/labels']) for scores in logits]
    torch.testing.assert_close(sum(losses), data['cls/loss'])
    consistency = MODELS.build(dict(type='mmwsss.ViewConsistency'))
    assert consistency.weights == dict(
        activation=float(data['alpha']), affinity=float(data['beta'])
    )
    terms = [
        {
            name: list(data[f'attn{view}'].mean(2).transpose(0, 1)[..., rows, 1:])
            for name, rows in (('activation', slice(1)), ('affinity', slice(1, None)))
        }
        for view in (1, 2)
    ]
    losses += consistency.differences(*terms, (3, 4), ['hflip'] * 2, (3, 4)).values()
    torch.testing.assert_close(sum(losses), data['total'])


def test_gradients_of_a_step_are_those_of_kept_attention():
    model = network(consistency=dict(activation_weight=20.0, affinity_weight=30.0))
    images, tags = torch.randn(2, 3, 48, 48), torch.tensor(TAGS, dtype=torch.float32)
    sum(model(images, samples_with(TAGS), mode='loss').values()).backward()
    ours = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    total, kept = 0, []
    for view in (images, images.flip(-1)):
        x, _ = model.backbone._embed(view)
        maps = []
        for index in range(model.backbone.num_layers):
            x, weights = model.backbone.explain_layer(index, x)
            maps.append(weights.mean(1))
        kept.append(maps)
        total = total + F.multilabel_soft_margin_loss(model.class_logits(x), tags)
    order = torch.arange(9).view(3, 3).flip(1).flatten()
    for one, two in zip(*kept):
        total = total + 20 * (one[:, 0, 1:] - two[:, 0, 1:][:, order]).abs().mean() / 4
        total = (
            total + 30 * (one[:, 1:, 1:] - two[:, 1:, 1:][:, order][:, :, order]).abs().mean() / 4
        )
    total.backward()
    for name, weight in model.named_parameters():
        torch.testing.assert_close(ours[name], weight.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('kind', ['ACRClassifier', 'MCTformer'])
def test_no_matrix_per_head_is_kept_for_the_gradient(kind):
    model = network(kind, consistency=dict()).train()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.shape) or tensor, lambda tensor: tensor
    ):
        model(torch.randn(1, 3, 160, 160), samples_with(TAGS[:1]), mode='loss')
    matrices = [shape for shape in kept if len(shape) > 1 and min(shape[-2:]) in (100, 101)]
    # of each of the 4 layers the differences of one image's maps; the attention of both views with
    # 3 heads is 6 such matrices
    assert [tuple(shape) for shape in matrices] == [(1, 100, 100)] * 4


@pytest.mark.parametrize(
    'weights, names',
    [
        ((0, 0), set()),
        ((1, 0), {'loss_activation'}),
        ((0, 1), {'loss_affinity'}),
        ((1, 1), {'loss_activation', 'loss_affinity'}),
    ],
)
def test_rows_of_the_ablation(weights, names):
    model = network(consistency=dict(activation_weight=weights[0], affinity_weight=weights[1]))
    assert set(model(torch.randn(2, 3, 48, 48), samples_with(TAGS), mode='loss')) == {
        'loss_cls',
        *names,
    }


def test_images_without_tags_and_flat_images():
    model = network()
    losses = model(torch.zeros(2, 3, 48, 48), samples_with([[0] * C, [0] * C]), mode='loss')
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert losses['loss_cls'].item() > 0


def test_weights_for_another_number_of_patches_are_scaled(caplog):
    model = network(
        consistency=dict(activation_weight=125.0, affinity_weight=0, reference_patches=576)
    )
    plain = network(consistency=dict(activation_weight=125.0, affinity_weight=0))
    plain.load_state_dict(model.state_dict())
    images = torch.randn(2, 3, 48, 48)
    ours, other = (
        one(images, samples_with(TAGS), mode='loss')['loss_activation'] for one in (model, plain)
    )
    torch.testing.assert_close(ours, other * 9 / 576)
    assert model.consistency._weight('activation', (24, 24)) == 125
    assert model.consistency._weight('activation', (14, 14)) == pytest.approx(42.5, abs=0.1)


def test_whole_step_from_pixels():
    """Collated views of one size and of several pass the data preprocessor."""
    model = network().train()
    for shapes in (((48, 48), (48, 48)), ((48, 48), (32, 64))):
        items = [
            dict(
                inputs=[
                    torch.randint(0, 256, (3, 48, 48), dtype=torch.uint8),
                    torch.randint(0, 256, (3, *shape), dtype=torch.uint8),
                ],
                data_samples=sample,
            )
            for shape, sample in zip(shapes, samples_with(TAGS, view=('resize',)))
        ]
        data = model.data_preprocessor(pseudo_collate(items), True)
        assert data['inputs'][0].shape == (2, 3, 48, 48)
        losses = model(**data, mode='loss')
        assert all(torch.isfinite(loss) for loss in losses.values())


def test_plain_head_and_names():
    """One linear layer, no final norm: the names that released weights are translated to."""
    model = network()
    names = set(model.state_dict())
    assert {
        'class_head.weight',
        'class_head.bias',
        'backbone.cls_token',
        'backbone.layers.3.attn.qkv.weight',
    } <= names
    assert model.class_head.weight.shape == (C, 24) and not any(
        'ln1' in name and 'layers' not in name for name in names
    )
    patch_map = torch.randn(2, 24, 3, 5)
    torch.testing.assert_close(
        model.patch_logits(patch_map)[1, :, 2, 4], model.class_head(patch_map[1, :, 2, 4])
    )


def test_seeds_are_summed_over_flips_and_resized_with_aligned_corners():
    model = network(test_cfg=dict(refine=True))
    image = torch.randn(1, 3, 48, 48)
    (sample,) = model([[image]], samples_with(TAGS[:1], ori_shape=(50, 70)), mode='predict')
    total = 0
    for flip in (False, True):
        with torch.no_grad():
            maps = model.maps_of(model.extract(image.flip(-1) if flip else image), [0, 2])
        maps = F.interpolate(maps, size=(50, 70), mode='bilinear', align_corners=True)
        total = total + (maps.flip(-1) if flip else maps)
    low, high = total.amin((2, 3), keepdim=True), total.amax((2, 3), keepdim=True)
    torch.testing.assert_close(
        sample.pred_cams.data, ((total - low) / (high - low + 1e-6))[0], rtol=1e-4, atol=1e-5
    )


def test_deit_with_distillation_token(tmp_path):
    """The distillation token and its position are left out, as are the heads."""
    model, state = network(), {}
    for name, value in network().backbone.state_dict().items():
        for ours, theirs in (
            ('patch_embed.projection', 'patch_embed.proj'),
            ('layers.', 'blocks.'),
            ('.ln1.', '.norm1.'),
            ('.ln2.', '.norm2.'),
            ('.ffn.blocks.0.0.', '.mlp.fc1.'),
            ('.ffn.blocks.1.', '.mlp.fc2.'),
        ):
            name = name.replace(ours, theirs)
        state[name] = value
    position = torch.randn(1, 1, 24)
    state['pos_embed'] = torch.cat(
        [state['pos_embed'][:, :1], position, state['pos_embed'][:, 1:]], 1
    )
    state.update(
        dist_token=torch.randn(1, 1, 24),
        head_dist=None,
        **{'norm.weight': torch.ones(24), 'norm.bias': torch.zeros(24)},
    )
    state['head_dist.weight'] = state['head.weight'] = torch.randn(7, 24)
    del state['head_dist']
    expected = torch.cat([state['pos_embed'][:, :1], state['pos_embed'][:, 2:]], 1)
    model.backbone.load_state_dict(state, strict=True)
    torch.testing.assert_close(model.backbone.pos_embed.detach(), expected)
    (sample,) = model(torch.randn(1, 3, 48, 48), samples_with(TAGS[:1]), mode='predict')
    assert torch.isfinite(sample.pred_cams.data).all()


def test_hybrid_backbone_with_sizes_that_are_no_multiple_of_16():
    model = MODELS.build(
        dict(
            type='mmwsss.ACRClassifier',
            num_classes=C,
            backbone=dict(
                type='mmwsss.HybridViT',
                img_size=64,
                stem=dict(depths=(1, 1, 1), channels=(128, 128, 128), stem_channels=32),
                arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32),
            ),
        )
    ).eval()
    model.backbone.init_weights()
    images = torch.randn(2, 3, 50, 70)
    losses = model(images, samples_with(TAGS), mode='loss')
    assert all(torch.isfinite(loss) for loss in losses.values())
    sample = model(images, samples_with(TAGS, ori_shape=(50, 70)), mode='predict')[0]
    assert (
        sample.pred_cams.data.shape == (2, 50, 70) and torch.isfinite(sample.pred_cams.data).all()
    )


@pytest.mark.parametrize('pad', [False, True])
def test_views_of_sides_that_are_no_multiple_of_the_patch(pad):
    """The view is one of what the backbone sees, not of pixels that it pads or cuts on the other
    side.
    """
    model = network(
        consistency=dict(activation_weight=3.0, affinity_weight=7.0),
        backbone=dict(pad_to_patch=pad),
    )
    images = torch.randn(2, 3, 40, 72)
    seen = F.pad(images, (0, 8, 0, 8)) if pad else images[..., :32, :64]
    losses = model(images, samples_with(TAGS), mode='loss')
    activation, affinity = expected_terms(
        model, seen, seen.flip(-1), unflip((3, 5) if pad else (2, 4))
    )
    torch.testing.assert_close(losses['loss_activation'], 3 * activation)
    torch.testing.assert_close(losses['loss_affinity'], 7 * affinity)


def test_recipes():
    """Settings of ACR section 4.1 and its released code."""
    for name, steps, weight in (('acr_voc', 26_450, 125), ('acr_coco', 102_600, 100)):
        config = Config.fromfile(CONFIGS / f'{name}.py')
        optimizer, schedule = config.optim_wrapper.optimizer, config.param_scheduler[0]
        assert (optimizer.type, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (
            'SGD',
            0.05,
            5e-4,
            0,
        )
        assert (
            config.optim_wrapper.type == 'mmengine.OptimWrapper'
            and 'paramwise_cfg' not in config.optim_wrapper
        )
        assert (config.train_cfg.max_iters, schedule.power, schedule.by_epoch) == (
            steps,
            0.9,
            False,
        )
        assert schedule.end == steps + 1  # the released count
        assert config.train_dataloader.batch_size == 1
        assert (
            config.model.consistency.activation_weight,
            config.model.consistency.affinity_weight,
        ) == (weight, weight)
        assert config.model.backbone.type == 'mmwsss.HybridViT'
        (crop,) = [step for step in config.train_dataloader.dataset.pipeline if 'crop_size' in step]
        assert tuple(crop.crop_size) == (384, 384)
        (scale,) = [
            step for step in config.train_dataloader.dataset.pipeline if 'LongSide' in step.type
        ]
        assert (scale.low, scale.high) == (345, 438)
    sane = Config.fromfile(CONFIGS / 'ablations' / 'acr_voc_batch4.py')
    assert (
        sane.train_dataloader.batch_size == 4 and sane.optim_wrapper.optimizer.weight_decay == 5e-4
    )
    assert Config.fromfile(CONFIGS / 'acr_deit-s_voc.py').param_scheduler[0].lag == 0


def test_hybrid_weights_there_and_back():
    """In the names of a released checkpoint, stem included, and loaded again."""
    config = dict(
        type='mmwsss.ACRClassifier',
        num_classes=C,
        backbone=dict(
            type='mmwsss.HybridViT',
            img_size=64,
            stem=dict(depths=(1, 1, 1), channels=(128, 128, 128), stem_channels=32),
            arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32),
        ),
    )
    model, other = MODELS.build(config), MODELS.build(config)
    released, _ = release_acr_keys(model.state_dict())
    assert any(
        name.endswith('patch_embed.backbone.stages.1.blocks.0.downsample.conv.weight')
        for name in released
    )
    assert not {'class_head.weight', 'backbone.cls_token'} & set(released)
    other.load_state_dict(released, strict=True)
    for (name, one), two in zip(model.state_dict().items(), other.state_dict().values()):
        torch.testing.assert_close(one, two, msg=name)


def test_photo_of_any_shape_through_the_config():
    """The published pipeline: squeezed to a square, mapped back to the photograph."""
    model = init_model(
        CONFIGS / 'acr_deit-s_voc.py',
        cfg_options={'model.backbone.arch': 'deit-tiny', 'model.backbone.init_cfg': None},
    )
    assert model.cfg.test_dataloader.dataset.pipeline[1].scale == (384, 384)
    for size in ((60, 100), (37, 51)):
        result = infer_cams(
            model, np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8), [3, 7]
        )
        assert result.cams.shape == (2, *size) and np.isfinite(result.cams).all()


@pytest.mark.parametrize(
    'make, message',
    [
        (lambda: network(backbone=dict(num_class_tokens=4)), 'needs one class token, got 4'),
        (lambda: network(test_cfg=dict(cam=None)), 'computes no maps without a CAM method'),
        (lambda: network(consistency=dict(view='resize')), 'made by mmwsss.TwoViews'),
        (lambda: network(consistency=dict(view='mirror')), "unknown step 'mirror'"),
        (
            lambda: network()([torch.randn(2, 3, 48, 48)] * 2, samples_with(TAGS), mode='loss'),
            'has two views, but the steps of',
        ),
        (lambda: network(test_cfg=dict(affinity='Am')), 'has no option'),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
