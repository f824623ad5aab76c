"""Every config: it can be read, built and trained for a step; what the published recipes ask of
it.
"""

import os
import runpy
import sys
from unittest.mock import patch

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.apis import load_config
from mmwsss.apis.pipeline import Pipeline
from mmwsss.apis.pipeline_config import PLACEHOLDER
from mmwsss.datasets.openimages import NUM_CLASSES as OPENIMAGES_CLASSES
from mmwsss.functional.rotary import RandomPlaces
from mmwsss.models.affinity import AffinityPropagator
from mmwsss.models.algorithms import TagClassifier
from mmwsss.registry import MODELS, PARAM_SCHEDULERS, TRANSFORMS
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.class_lists import COCO_CLASSES, VOC_CLASSES
from tests.mctformer_golden import golden
from tests.tools.program import CONFIGS, TOOLS

STUDIES = sorted(CONFIGS.glob('ablations/*_table*.py')) + sorted(
    CONFIGS.glob('ablations/*_figure*.py')
)
NOT_TRAINED = {CONFIGS / 'clip_es_voc.py'}  # see tests/models/algorithms/test_clip_es.py
FILES = sorted(
    {*CONFIGS.glob('*.py'), *CONFIGS.glob('ablations/*.py'), *CONFIGS.glob('msrc21/*.py')}
    - {*STUDIES}
    - NOT_TRAINED
)
PIPELINES = sorted((CONFIGS / 'pipelines').glob('*.py'))
# what `make test-fast` looks at
ONE_PER_METHOD = {
    'mctformer_v1_voc',
    'mctformer_v2_voc',
    'mctformer_plus_toy',
    'aream_toy',
    'acr_toy',
    'mcc_toy',
    'toco_voc',
    'cosa_toy',
    'cosa-paper_toy',
    'psa_toy',
    'irn_toy',
    'deeplabv3plus_r18_toy_pseudo',
    'upernet_swin-b_voc_pseudo',
}


def each(paths):
    """Parameters of a test that looks at configs; all but one per method are slow."""
    return [
        pytest.param(
            path, id=path.stem, marks=() if path.stem in ONE_PER_METHOD else pytest.mark.slow
        )
        for path in paths
    ]


EVERY = pytest.mark.parametrize('path', each(FILES))
# MMEngine's initialisers and PyTorch's optimizers
WITHOUT_SCOPE = {'Pretrained', 'Kaiming', 'Constant'}
WITHOUT_SCOPE.update(name for name in dir(torch.optim) if name[0].isupper())
# 4 images of 64x64 instead of batches at 448: what does not fit these sizes
TINY_VIT = dict(embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=64)
DATASET_CLASSES = {
    'mmwsss.VOC12TagDataset': len(VOC_CLASSES),
    'mmwsss.COCO14TagDataset': len(COCO_CLASSES),
    'mmwsss.OpenImagesWSOLDataset': OPENIMAGES_CLASSES + 1,
}


def build(config, device='cpu'):
    with torch.device(device):
        return MODELS.build(config.model)


def dicts(node, scope=None, path=''):
    """Every dictionary of a config with its place and the scope that it inherits."""
    if isinstance(node, dict):
        scope = node.get('_scope_', scope)
        yield path, scope, node
        for key, value in node.items():
            yield from dicts(value, scope, f'{path}.{key}'.lstrip('.'))
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from dicts(value, scope, f'{path}.{index}')


SINGLE_STAGE = [path for path in FILES if path.stem.startswith(('mcc', 'toco', 'cosa', 'composed'))]


@pytest.mark.parametrize('path', SINGLE_STAGE, ids=lambda path: path.stem)
def test_single_stage_parts_may_wait_for_their_losses(path):
    """Several processes need to be told that some parameters have no gradient at first."""
    assert Config.fromfile(path).find_unused_parameters is True


@pytest.mark.parametrize(
    'name, settings',
    [
        (
            'mcc_voc',
            dict(iters=20_000, batch=4, high=0.7, low=0.25, starts=2_001, mask=(4, 0.95, 8)),
        ),
        (
            'ablations/mcc_paper_voc',
            dict(iters=20_000, batch=4, high=0.7, low=0.25, mask=(4, 0.75, 8)),
        ),
        ('mcc_coco', dict(iters=80_000, batch=8, high=0.65, low=0.25, starts=8_001)),
        ('cosa_voc', dict(iters=32_000, batch=4, high=0.7, low=0.2, aux=(0.7, 0.25), starts=6_001)),
        (
            'cosa_coco',
            dict(iters=60_000, batch=8, high=0.65, low=0.25, aux=(0.7, 0.25), starts=10_001),
        ),
    ],
)
def test_single_stage_recipes(name, settings):
    """Settings of MCC section IV-A and CoSA section 4.1."""
    config = Config.fromfile(CONFIGS / f'{name}.py')
    model, labels = config.model, config.model.pseudo_label
    assert (config.train_cfg.max_iters, config.train_dataloader.batch_size) == (
        settings['iters'],
        settings['batch'],
    )
    assert (labels.get('high', 0.7), labels.get('low', 0.25)) == (settings['high'], settings['low'])
    optimizer, schedule = config.optim_wrapper.optimizer, config.param_scheduler[0]
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('AdamW', 6e-5, 0.01)
    assert config.optim_wrapper.type == 'mmengine.OptimWrapper'
    assert (schedule.type, schedule.warmup, schedule.power, schedule.end) == (
        'mmwsss.WarmupPolyLR',
        1500,
        0.9,
        settings['iters'],
    )
    if 'starts' in settings:
        assert model.loss_starts.seg == settings['starts']
    if 'mask' in settings:
        assert (
            model.get('mask_scale', 4),
            model.mask_ratio,
            model.get('num_masks', 8),
        ) == settings['mask']
    if 'aux' in settings:
        assert (labels.get('aux_high', 0.7), labels.get('aux_low', 0.25)) == settings['aux']


@EVERY
def test_types_have_a_scope(path):
    for place, scope, node in dicts(Config.fromfile(path)._cfg_dict):
        kind = node.get('type')
        if place.rpartition('.')[2] in ('norm_cfg', 'conv_cfg', 'act_cfg'):
            continue  # names of layers, which have none
        assert not isinstance(kind, str) or '.' in kind or scope or kind in WITHOUT_SCOPE, (
            f'{place}.type={kind!r} has no scope'
        )


@EVERY
def test_a_resumed_run_is_the_uninterrupted_one(path):
    """What :class:`EpochSeedHook` asks of loops by epoch and by iteration."""
    config = load_config(path)
    if config.get('train_cfg'):
        assert 'mmwsss.EpochSeedHook' in [hook.type for hook in config.custom_hooks]
        sampler = (
            'SeededInfiniteSampler'
            if config.train_cfg.type.endswith('IterBasedTrainLoop')
            else 'DefaultSampler'
        )
        assert config.train_dataloader.sampler.type.endswith(sampler)


@EVERY
def test_model_and_classes(path):
    """It can be built at full size, and its classes are those of its data."""
    config = load_config(path)
    # Swin computes with tensors
    model = (
        build(config, 'meta') if 'Swin' not in config.model.backbone.type else build(tiny(config))
    )
    datasets = [
        loader.dataset
        for loader in (config.get(f'{split}_dataloader') for split in ('train', 'val', 'test'))
        if loader
    ]
    assert datasets
    for dataset in datasets:
        classes = DATASET_CLASSES.get(dataset.type)
        named = dataset.get('classes') or dataset.get('metainfo', {}).get('classes')
        if isinstance(named, (list, tuple)):
            classes = len(named)
        if classes is not None and hasattr(model, 'num_classes'):
            assert model.num_classes == classes - isinstance(model, TagClassifier), dataset.type


def tiny(config):
    """Shrink a config for a training step on images of 64x64; networks without patches stay as they
    are.
    """
    backbone = config.model.backbone
    if backbone.type in ('mmwsss.TokenViT', 'mmwsss.HybridViT'):
        backbone.arch, backbone.img_size = TINY_VIT, 64
        if backbone.type == 'mmwsss.HybridViT':
            backbone.stem = dict(depths=(1, 1, 1), channels=(128, 128, 128), stem_channels=32)
    elif 'depths' in backbone:
        backbone.depths = (1, 1, 1, 1)
    elif backbone.get('depth', 0) > 50:
        backbone.depth = 50
    if 'split_layer' in config.model:
        # fewer layers, and no file of their weights
        config.model.update(split_layer=1, weighting='uniform')
    if isinstance(config.model.get('crop_size'), int):  # local crops of ToCo
        config.model.crop_size = 32
    preprocessor = config.model.get('data_preprocessor') or {}
    if 'size' in preprocessor:
        preprocessor.size = (64, 64)
    for _, _, step in dicts(config.train_dataloader.dataset.pipeline):
        step.update(
            {key: value for key, value in (('scale', 64), ('crop_size', (64, 64))) if key in step}
        )
    return config


def batch(config, model, num=2):
    """A batch as the training pipeline of the config makes it from random pictures, without
    files.
    """
    rng = np.random.default_rng(0)
    if isinstance(model, AffinityPropagator):
        side = 128 // model.stride  # large enough for pairs that are not at the border
        samples = [WSSSDataSample() for _ in range(num)]
        for sample in samples:
            label = (
                torch.from_numpy(rng.integers(0, 3, (1, 4, 4)))
                .repeat_interleave(side // 4, 1)
                .repeat_interleave(side // 4, 2)
            )
            sample.set_data(dict(affinity_label=PixelData(data=label)))
        return dict(
            inputs=[
                torch.from_numpy(rng.integers(0, 256, (3, 128, 128), np.uint8)) for _ in range(num)
            ],
            data_samples=samples,
        )
    steps = Compose(
        [
            TRANSFORMS.build(step)
            for step in config.train_dataloader.dataset.pipeline
            if 'Load' not in step.type
        ]
    )
    items = []
    for index in range(num):
        image = rng.integers(0, 256, (70, 90, 3), np.uint8)
        item = dict(
            img=image,
            img_shape=image.shape[:2],
            ori_shape=image.shape[:2],
            img_path=f'{index}.jpg',
            seg_fields=[],
        )
        if isinstance(model, TagClassifier):
            item.update(num_tags=model.num_classes, gt_tags=[index, index + 3])
        else:
            mask = rng.choice([0, 1, 2, 255], (70, 90)).astype(np.uint8)
            item.update(gt_seg_map=mask, seg_fields=['gt_seg_map'], reduce_zero_label=False)
        items.append(steps(item))
    return pseudo_collate(items)


def network_of(path):
    """What two configs share if a training step of one says nothing new after that of the other."""
    model = Config.fromfile(path).model
    head = model.get('decode_head', {}).get('type')
    return (
        model.type,
        model.backbone.type,
        head,
        None if 'ViT' not in model.backbone.type else path.stem,
    )


@pytest.mark.parametrize(
    'path', each({network_of(path): path for path in reversed(FILES)}.values())
)
def test_training_step(path):
    """Finite losses, and weights that move, with optimizer and augmentation of the config."""
    config = tiny(load_config(path))
    model = build(config).train()
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    weights = {
        name: weight.detach().clone()
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }
    for _ in range(config.optim_wrapper.get('accumulative_counts', 1)):
        losses = model.train_step(batch(config, model), optimizer)
    assert losses and all(torch.isfinite(loss).all() for loss in losses.values()), losses
    moved = [
        name
        for name, weight in model.named_parameters()
        if name in weights and not torch.equal(weight, weights[name])
    ]
    assert len(moved) > len(weights) / 2, sorted(set(weights) - set(moved))


@pytest.mark.parametrize(
    'name, params',
    [
        ('mctformer_plus_voc', 22_050_836 - 76_416),
        ('mctformer_plus_coco', 22_304_336 - 76_416),
        ('mctformer_v2_voc', 21_974_420 - (28 * 28 - 14 * 14) * 384),
        ('mctformer_v1_voc', 21_974_420 - (28 * 28 - 14 * 14) * 384 - 20 * 3457),
    ],
)
def test_size_of_the_networks(name, params):
    """The published sizes less the weights that the released code never uses; V1 and V2 have a grid
    of 14, V1 no patch head.
    """
    assert (
        sum(
            weight.numel()
            for weight in build(load_config(CONFIGS / f'{name}.py'), 'meta').parameters()
        )
        == params
    )


@pytest.mark.parametrize(
    'name, run',
    [
        ('mctformer_plus_voc', 'voc_plus_e45_b32'),
        ('mctformer_plus_coco', 'voc_plus_e45_b32'),
        ('mctformer_v2_voc', 'v2_e60_b64'),
        ('mctformer_v1_voc', 'v2_e60_b64'),
    ],
)
def test_learning_rate_of_every_epoch(name, run):
    config = load_config(CONFIGS / f'{name}.py')
    expected = golden('mctformer_plus_init')[f'lr_per_epoch/{run}'].tolist()
    optimizer = build_optim_wrapper(torch.nn.Linear(2, 2), config.optim_wrapper).optimizer
    (schedule,) = (
        PARAM_SCHEDULERS.build(dict(settings, optimizer=optimizer))
        for settings in config.param_scheduler
    )
    assert schedule.by_epoch and len(expected) == config.train_cfg.max_epochs
    rates = []
    for _ in expected:
        rates.append({group['lr'] for group in optimizer.param_groups})
        optimizer.step()
        schedule.step()
    assert [rate for (rate,) in rates] == pytest.approx(expected, rel=1e-6)
    assert (
        config.auto_scale_lr.base_batch_size
        == config.train_dataloader.batch_size
        == (32 if 'plus' in name else 64)
    )


@pytest.mark.parametrize(
    'name, settings',
    [
        (
            'mctformer_plus_voc',
            dict(fuse_sqrt=True, attention_layers=None, refine=True, flip=True, map_type='fused'),
        ),
        (
            'mctformer_v2_voc',
            dict(fuse_sqrt=False, attention_layers=3, refine=True, flip=True, map_type='fused'),
        ),
        ('mctformer_v1_voc', dict(attention_layers=3, refine=True, flip=True, map_type='mct')),
    ],
)
def test_published_settings(name, settings):
    """Settings of the released codes of PSA, IRN and DeepLab."""
    config = Config.fromfile(CONFIGS / f'{name}.py')
    plus = 'plus' in name
    assert settings.items() <= dict(config.model.test_cfg).items()
    (views,) = (
        step
        for step in config.test_dataloader.dataset.pipeline
        if step.type == 'mmwsss.MultiScaleViews'
    )
    assert tuple(views.scales) == ((1.0, 0.75, 1.25) if plus else (1.0,))
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, *optimizer.betas, optimizer.eps, optimizer.weight_decay) == (
        'AdamW',
        0.9,
        0.999,
        1e-8,
        0.05,
    )
    assert (
        config.optim_wrapper.type == 'mmengine.AmpOptimWrapper'
        and 'clip_grad' not in config.optim_wrapper
    )
    assert config.train_dataloader.drop_last and config.randomness.seed == 0
    assert config.model.backbone.drop_path_rate == 0.1 and config.model.backbone.img_size == (
        448 if plus else 224
    )
    assert (
        config.train_dataloader.dataset.split == 'train_aug'
        and config.val_dataloader.dataset.split == 'train'
    )
    assert (
        config.val_evaluator == config.test_evaluator
        and config.val_evaluator[0].type == 'mmwsss.CAMMetric'
    )
    if plus:
        model = build(load_config(config), 'meta')
        assert model.patch_head.pooling == 'gwrp' and model.patch_head.decay == 0.996
        assert (
            model.contrast_weight == 1
            and model.contrast_loss.normalize
            and model.contrast_loss.rows == 'present'
        )


# Augmentation of MCTformer on images in BGR order -------------------------------------------------


def augmentation(name):
    config = load_config(CONFIGS / f'{name}.py')
    return [
        step for step in config.train_dataloader.dataset.pipeline if step.type != 'mmwsss.LoadImage'
    ]


@pytest.mark.parametrize(
    'name, size',
    [
        ('mctformer_plus_voc', 448),
        ('mctformer_plus_coco', 448),
        ('mctformer_v2_voc', 224),
        ('mctformer_v2_coco', 224),
    ],
)
def test_augmentation_runs(name, size):
    pipeline = Compose([TRANSFORMS.build(step) for step in augmentation(name)])
    image = np.random.default_rng(0).integers(0, 256, (375, 500, 3), np.uint8)
    for _ in range(8):
        data = pipeline(
            dict(
                img=image.copy(),
                img_shape=(375, 500),
                ori_shape=(375, 500),
                img_path='a.jpg',
                num_tags=20,
                gt_tags=[3, 7],
            )
        )
        assert data['inputs'].shape == (3, size, size) and data['inputs'].dtype == torch.uint8
        assert data['data_samples'].gt_tags.nonzero().flatten().tolist() == [3, 7]


@pytest.mark.parametrize('name', ['mctformer_plus_voc', 'mctformer_v2_voc'])
def test_erased_boxes_are_noise_around_the_mean_colour(name):
    """In BGR order; a little narrower than the normal distribution of the released code, which is
    not cut to 0..255.
    """
    (settings,) = (step for step in augmentation(name) if 'Erasing' in step.type)
    assert settings.erase_prob == 0.25
    erase = TRANSFORMS.build(dict(settings, erase_prob=1.0))
    mean, std, area = np.array([103.53, 116.28, 123.675]), np.array([57.375, 57.12, 58.395]), []
    pixels = []
    for _ in range(30):
        image = erase(dict(img=np.full((300, 200, 3), 7, np.uint8)))['img']
        changed = (image != 7).any(-1)
        pixels.append(image[changed])
        area.append(changed.mean())
    pixels = np.concatenate(pixels).astype(float)
    np.testing.assert_allclose(pixels.mean(0), mean, atol=1.5)
    np.testing.assert_allclose(pixels.std(0), std, rtol=0.05)
    assert 0.019 < min(area) < 0.08 and 0.25 < max(area) < 0.334


@pytest.mark.parametrize('name', ['mctformer_plus_voc', 'mctformer_v2_voc'])
def test_random_augment(name):
    """15 operations, two at a time, each in half of the cases, magnitude 9 of 10; borders in the
    mean colour, in BGR order.
    """
    (settings,) = (step for step in augmentation(name) if 'RandAugment' in step.type)
    assert (
        settings.num_policies,
        settings.magnitude_level,
        settings.magnitude_std,
        settings.total_level,
    ) == (2, 9, 0.5, 10)
    operations = list(TRANSFORMS.build(settings))
    assert len(operations) == 15 and all(operation.prob == 0.5 for operation in operations)
    moving = [
        operation
        for operation in operations
        if type(operation).__name__ in ('Rotate', 'Shear', 'Translate')
    ]
    assert len(moving) == 5
    for operation in moving:
        assert operation.pad_val == (104, 116, 124) and operation.interpolation == 'bicubic'
        operation.prob = 1.0
        image = operation(dict(img=np.full((96, 128, 3), 255, np.uint8)))['img']
        colours = {tuple(pixel) for pixel in image.reshape(-1, 3).tolist()}
        assert (
            (104, 116, 124) in colours
            and (255, 255, 255) in colours
            and (124, 116, 104) not in colours
        ), operation


# Pipelines ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize('path', PIPELINES, ids=lambda path: path.stem)
def test_pipelines(path, capsys):
    """Every stage is a command that its tool understands, of a config that exists and takes the
    overrides.
    """
    pipeline = Pipeline(path)
    pipeline.run(dry_run=True)
    output = capsys.readouterr().out
    assert all(f'] {stage["name"]}: {stage["tool"]}' in output for stage in pipeline.stages)
    configs = str(pipeline.configs)
    for stage in pipeline.stages:
        words = [
            PLACEHOLDER.sub(
                lambda match: (
                    configs if match[1] == 'configs' else '1' if match[3] else f'work/{match[1]}'
                ),
                str(arg),
            )
            for arg in stage['args']
        ]
        parse = runpy.run_path(str(TOOLS / stage['tool']), run_name='tool')['parse_args']
        with patch.object(sys, 'argv', [stage['tool'], *words]), patch.dict(os.environ):
            args = vars(parse())
        if stage['tool'] in ('train.py', 'test.py', 'generate_cams.py'):
            load_config(args['config'], cfg_options=args['cfg_options'])
    assert set(pipeline.results.values()) <= {stage['name'] for stage in pipeline.stages}


@pytest.mark.parametrize(
    'name, decay',
    [('cosa_dinov2-b_voc', 0.9), ('cosa_dinov3-b_voc', 0.9), ('mcc_clip-b_voc', 0.75)],
)
def test_single_stage_rates_decay_over_the_layers(name, decay):
    config = load_config(CONFIGS / f'{name}.py')
    model = build(config, 'meta')
    optimizer = build_optim_wrapper(model, config.optim_wrapper).optimizer
    rates = {id(group['params'][0]): group['lr'] for group in optimizer.param_groups}
    rates = {
        name: rates[id(weight)] for name, weight in model.named_parameters() if id(weight) in rates
    }
    assert rates['classifier.weight'] == rates['aux_classifier.weight'] == pytest.approx(6e-4)
    assert rates['backbone.ln1.weight'] == pytest.approx(2e-5)
    for index in (0, 1, 10, 11):
        expected = pytest.approx(2e-5 * decay ** (12 - index))
        assert rates[f'backbone.layers.{index}.attn.qkv.weight'] == expected
    assert rates['backbone.cls_token'] == pytest.approx(2e-5 * decay**13)
    assert rates['backbone.patch_embed.projection.weight'] == pytest.approx(2e-5 * decay**13)


def test_places_are_rescaled_in_training_on_dinov3():
    model = build(load_config(CONFIGS / 'cosa_dinov3-b_voc.py'), 'meta')
    assert model.backbone.random_places == RandomPlaces(rescale=2.0)
    assert model.train().backbone.training and not model.assignment.backbone.training


def test_rates_of_mctformer_on_dinov2_decay_over_the_layers():
    config = load_config(CONFIGS / 'mctformer_plus_dinov2-s_voc.py')
    optimizer = build_optim_wrapper(build(config, 'meta'), config.optim_wrapper).optimizer
    groups = {group['param_name']: group for group in optimizer.param_groups}
    base = 5e-4 * 32 / 512
    assert groups['patch_head.conv.weight']['lr'] == pytest.approx(base)
    assert groups['backbone.layers.11.attn.qkv.weight']['lr'] == pytest.approx(base * 0.9)
    assert groups['backbone.cls_token']['lr'] == pytest.approx(base * 0.9**13)
    assert groups['backbone.cls_token']['weight_decay'] == 0
    assert groups['backbone.layers.3.ln1.weight']['weight_decay'] == 0
    assert groups['backbone.layers.3.attn.qkv.weight']['weight_decay'] == 0.05
