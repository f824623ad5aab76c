"""AReAM: training step against a plain form that keeps everything, and its options."""

import pytest
import torch
from mmengine.config import Config

from benchmarks.textbook import aream as textbook
from mmwsss.apis import infer_cams
from mmwsss.functional import reactivation
from mmwsss.functional.attention import AttentionRequest
from mmwsss.functional.par import pixel_adaptive_refinement
from mmwsss.registry import MODELS
from mmwsss.utils.io import write_json
from tests.mctformer_golden import MODEL_ARCH, build, inference, model_config, samples_with
from tests.tools.program import CONFIGS

SIZE = (64, 64)
RENAMED = {
    'backbone.': '',
    'cls_token': 'class_tokens',
    'pos_embed': 'positions',
    'layers.': 'blocks.',
    'attn.': '',
    'patch_embed.projection': 'embed',
    'patch_head.conv': 'head',
    'ffn.blocks.0.0': 'fc1',
    'ffn.blocks.1': 'fc2',
}
TAGS = torch.tensor([[1.0, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]])


def network(**options):
    """In training mode, with attention and class maps that have contrast."""
    torch.manual_seed(0)
    model = build(5, MODEL_ARCH, type='mmwsss.AReAM', **options).train()
    with torch.no_grad():
        for layer in model.backbone.layers:
            layer.attn.qkv.weight.normal_(std=0.4)
        model.patch_head.conv.weight.normal_(std=0.2)
    return model


def batch(tags=TAGS, size=SIZE):
    torch.manual_seed(1)
    return torch.rand(len(tags), 3, *size), samples_with(tags)


def gradients(model):
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def targets(model, tags=TAGS, size=SIZE):
    """Labels and w_hat of a training step."""
    inputs, _ = batch(tags, size)
    return model.affinity_targets(inputs, model.backbone(inputs, attention=model._requests()), tags)


def test_training_step_equals_the_plain_form():
    """Losses, and gradients by textbook autograd through every layer's scores."""
    model = network(labels=dict(low=0.4, high=0.5))
    plain = textbook.PlainAReAM(model)
    inputs, samples = batch(TAGS[:2])
    labels, w_hat = targets(model, TAGS[:2])
    assert {0, 1, 2, 255} <= set(labels.unique().tolist()) and w_hat.min() == 0 and w_hat.max() == 1
    losses = model(inputs, samples, mode='loss')
    assert list(losses) == ['loss_cls', 'loss_patch', 'loss_affinity']
    expected = textbook.losses(
        plain, inputs, TAGS[:2], pixel_adaptive_refinement, low=0.4, high=0.5
    )
    torch.testing.assert_close(torch.stack(list(losses.values())), expected)
    losses['loss_affinity'].backward()
    expected[2].backward()
    compared = 0
    for name, gradient in gradients(model).items():
        for ours, theirs in RENAMED.items():
            name = name.replace(ours, theirs)
        reference = plain.get_parameter(name).grad
        if gradient is None:  # the patch head, and what follows the attention of the last layer
            assert reference is None or not reference.any(), name
        else:
            torch.testing.assert_close(gradient, reference, rtol=1e-3, atol=1e-7, msg=name)
            compared += bool(gradient.any())
    assert (
        compared > 15
        and model.patch_head.conv.weight.grad is None
        and model.backbone.layers[2].attn.proj.weight.grad is None
    )


@pytest.mark.parametrize(
    'options',
    [
        {},
        dict(contrast_weight=1.0),
        dict(affinity_mode='softmax_patch'),
        dict(affinity_mode='softmax_logit'),
        dict(weighting='uniform'),
        dict(labels=dict(mode='two_pass', high=0.55, low=0.35)),
        dict(par=False),
        dict(par=dict(num_iters=2, normalize_kernel=True)),
        dict(split_layer=1, affinity_loss=dict(style='afa', layer_reduction='mean')),
        dict(cam_flip=True),
        dict(entropy_form='sum'),
        dict(patch_head=dict(pooling='gap')),
        dict(test_cfg=dict(map_type='patchcam')),
        dict(test_cfg=dict(attention_layers=None, fuse_sqrt=True)),
    ],
    ids=str,
)
@pytest.mark.parametrize('size', [(64, 64), (48, 80)])
def test_options(options, size):
    """Every loss and gradient is finite, on square and other grids."""
    model = network(**options)
    inputs, samples = batch(size=size)
    losses = model(inputs, samples, mode='loss')
    assert losses['loss_affinity'] > 0 and all(
        loss.isfinite() and loss.dim() == 0 for loss in losses.values()
    )
    assert ('loss_contrast' in losses) == ('contrast_weight' in options)
    sum(losses.values()).backward()
    assert all(gradient.isfinite().all() for gradient in gradients(model).values())
    assert model.backbone.training


@pytest.mark.parametrize(
    'tags', [torch.zeros(2, 5), torch.ones(2, 5), torch.eye(5)[:1]], ids=['none', 'all', 'one']
)
@pytest.mark.parametrize('mode', ['eq16', 'two_pass'])
def test_numbers_of_tags(tags, mode):
    model = network(labels=dict(mode=mode))
    losses = model.loss(*batch(tags))
    assert (losses['loss_affinity'] == 0) == (not tags.any())
    sum(losses.values()).backward()
    assert all(gradient.isfinite().all() for gradient in gradients(model).values())


@pytest.mark.parametrize(
    'low, high, expected', [(0.0, 2.0, 255), (2.0, 2.0, 0)], ids=['all ignored', 'one label']
)
def test_labels_without_pairs(low, high, expected):
    model = network(labels=dict(low=low, high=high))
    tags = TAGS[:2]
    assert targets(model, tags)[0].unique().tolist() == [expected]
    loss = model.loss(*batch(tags))['loss_affinity']
    assert loss.isfinite() and (loss == 0) == (expected == 255)
    loss.backward()
    assert all(
        gradient.isfinite().all() for gradient in gradients(model).values() if gradient is not None
    )


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_mixed_precision(dtype):
    """The loss is float32 and close, weights of the layers are float64 in both."""
    model = network()
    expected = model.loss(*batch())
    with torch.autocast('cpu', dtype):
        losses = model.loss(*batch())
        w_hat = targets(model)[1]
    assert w_hat.dtype == torch.float64
    for name, loss in losses.items():
        assert loss.dtype == torch.float32 and loss.item() == pytest.approx(
            expected[name].item(), rel=0.1
        ), name
    sum(losses.values()).backward()
    assert all(gradient.isfinite().all() for gradient in gradients(model).values())


def test_labels_are_class_ids_and_untagged_images_are_ignored():
    labels, w_hat = targets(network(labels=dict(low=0.4, high=0.5)))
    assert labels.shape == (3, 4, 4) and w_hat.shape == (3, 3)
    assert set(labels[0].unique().tolist()) <= {0, 1, 4, 255} and set(
        labels[1].unique().tolist()
    ) <= {0, 2, 255}
    assert labels[2].unique().tolist() == [255] and w_hat[2].eq(0).all()
    assert labels[:2].unique().numel() > 3


def test_order_of_present_classes_does_not_matter():
    """The slots of an image depend on the tags of the others in the batch only in number."""
    model = network()
    together, alone = targets(model), targets(model, TAGS[:1])
    assert torch.equal(together[0][:1], alone[0])
    torch.testing.assert_close(together[1][:1], alone[1])


def test_maps_of_the_training_step_are_those_of_the_test():
    """Unrefined, without flip: the same fusion, on the grid."""
    model = network(test_cfg=dict(refine=False, flip=False)).eval()
    inputs, samples = batch()
    features = model.backbone(inputs, attention=model._requests())
    classes, filled = (
        torch.tensor([[0, 3], [1, 0], [0, 1]]),
        TAGS.new_tensor([[1, 1], [1, 0], [0, 0]]).bool(),
    )
    maps = model._maps(features, classes, filled)
    extracted = model.extract(inputs)
    for image, keys in enumerate([[0, 3], [1], []]):
        expected = model.maps_of(extracted, keys)[image] if keys else maps[image, :0]
        low, high = (
            (reduce(expected, (1, 2), keepdim=True) for reduce in (torch.amin, torch.amax))
            if keys
            else (0, 1)
        )
        torch.testing.assert_close(maps[image, : len(keys)], (expected - low) / (high - low + 1e-8))
        assert maps[image, len(keys) :].eq(0).all()


def test_maps_of_image_and_mirror_image():
    """An image that is its own mirror image has maps that are, from one pass or two; the extra pass
    is in evaluation mode.
    """
    model = network(cam_flip=True, backbone=dict(drop_path_rate=0.9))
    inputs, _ = batch(TAGS[:1])
    first = model.affinity_targets(inputs, None, TAGS[:1])
    again = model.affinity_targets(inputs, None, TAGS[:1])
    mirrored = model.affinity_targets(inputs.flip(-1), None, TAGS[:1])
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    torch.testing.assert_close(mirrored[1], first[1], rtol=1e-3, atol=1e-4)


def test_the_loss_starts_in_its_epoch():
    model = network(affinity_start=2)
    assert 'loss_affinity' in model.loss(*batch())  # nobody told how far training is
    for epoch, started in ((0, False), (1, False), (2, True), (3, True)):
        model.update_schedule(epoch=epoch, iteration=epoch * 10)
        assert ('loss_affinity' in model.loss(*batch())) == started
    model = network(affinity_weight=0.0)
    assert 'loss_affinity' not in model.loss(*batch())


def test_layer_weights_of_a_file(tmp_path):
    file = tmp_path / 'layer_weights.json'
    # only training needs it
    model = MODELS.build(model_config(5, MODEL_ARCH, type='mmwsss.AReAM', weighting=str(file)))
    with pytest.raises(
        FileNotFoundError, match='layer_weights.json: layer weights not found; write them with'
    ):
        model.init_weights()
    write_json(file, dict(w_hat=[0.0, 1.0]))
    with pytest.raises(ValueError, match='w_hat has 2 entries, the model 3 layers'):
        model.init_weights()
    write_json(file, dict(w_hat=[0.0, 0.25, 1.0]))
    assert targets(model)[1].tolist() == [[0.0, 0.25, 1.0]] * 3
    assert model.loss(*batch())['loss_affinity'] > 0


def test_version_1_uses_each_layer_for_one_purpose():
    """Early layers refine, late ones are supervised."""
    model = network(split_layer=2, weighting='uniform', par=False, labels=dict(low=0.4, high=0.5))
    inputs, samples = batch()
    features = model.backbone(
        inputs,
        attention={
            **model._requests(),
            'logits': AttentionRequest('patch_to_patch', kind='logits', reduce='stack'),
        },
    )
    logits = features.attention['logits'].transpose(0, 1)
    labels, w_hat = model.affinity_targets(inputs, features, TAGS)
    loss = model.loss(inputs, samples)['loss_affinity']
    torch.testing.assert_close(loss, 0.2 * model.affinity_loss(logits[:, 2:], labels, w_hat[:, 2:]))
    cams = torch.rand(3, 2, 4, 4)
    refined = reactivation.refine_by_layer(features.attention['layers'], cams)
    affinity = sum(layer.affinity() for layer in features.attention['layers'][:2])
    expected = (affinity @ cams.flatten(2).transpose(1, 2)).transpose(1, 2).view_as(cams)
    low, high = expected.amin((2, 3), keepdim=True), expected.amax((2, 3), keepdim=True)
    torch.testing.assert_close(
        reactivation.reactivated_cams(refined[:, :2], w_hat[:, :2]),
        (expected - low) / (high - low + 1e-8),
    )


def test_inference_is_that_of_mctformer():
    """Three layers of class attention, no root, plain mean of the affinities; a checkpoint of
    MCTformer+ loads.
    """
    model = network().eval()
    twin = build(
        5, MODEL_ARCH, state=model.state_dict(), test_cfg=dict(attention_layers=3, fuse_sqrt=False)
    )
    image = torch.randint(0, 256, (40, 64, 3), dtype=torch.uint8).numpy()
    ours, theirs = (infer_cams(inference(network), image, tags=[0, 3]) for network in (model, twin))
    assert (ours.cams == theirs.cams).all() and (ours.scores == theirs.scores).all()


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(affinity_mode='softmax'), 'affinity_mode must be one of'),
        (dict(split_layer=3), 'split_layer must be in 1..2'),
        (dict(split_layer=0), 'split_layer must be in 1..2'),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        network(**options)


def test_padding_says_nothing_about_pairs():
    """Patches outside the image of a crop are ignored; the labels of the others stay."""
    model = network(labels=dict(low=0.4, high=0.5))
    inputs, samples = batch()
    features = model.backbone(inputs, attention=model._requests())
    # the third column of the first is cut through: image
    boxes = torch.tensor([[0, 64, 0, 33], [16, 64, 0, 64], [0, 64, 0, 64]])
    for sample, box in zip(samples, boxes.tolist()):
        sample.set_metainfo(dict(img_box=box))
    whole, _ = model.affinity_targets(inputs, features, TAGS)
    labels, _ = model.affinity_targets(inputs, features, TAGS, model.boxes(samples, inputs))
    outside = torch.zeros_like(labels, dtype=torch.bool)
    outside[0, :, 3], outside[1, 0] = True, True
    assert (whole[outside] != 255).any() and torch.equal(labels, whole.masked_fill(outside, 255))
    losses = [
        model(inputs, group, mode='loss')['loss_affinity']
        for group in (samples, samples_with(TAGS))
    ]
    assert losses[0] != losses[1]


@pytest.mark.parametrize('pad', [False, True])
def test_labels_of_sides_that_are_no_multiple_of_the_patch(pad):
    """They are those of the image that the backbone sees, padded or cut."""
    model = network(labels=dict(low=0.4, high=0.5), backbone=dict(pad_to_patch=pad))
    inputs, _ = batch(size=(56, 72))
    seen = torch.nn.functional.pad(inputs, (0, 8, 0, 8)) if pad else inputs[..., :48, :64]
    assert torch.equal(model.whole_patches(inputs), seen)
    (labels, _), (expected, _) = (
        model.affinity_targets(images, model.backbone(images, attention=model._requests()), TAGS)
        for images in (inputs, seen)
    )
    assert (
        torch.equal(labels, expected)
        and labels.shape == ((3, 4, 5) if pad else (3, 3, 4))
        and len(labels.unique()) > 2
    )


def test_recipes():
    """Settings of AReAM section V-A and of its first version."""
    config = Config.fromfile(CONFIGS / 'aream_voc.py')
    model = config.model
    # the released schedule is one epoch late
    assert [step.lag for step in config.param_scheduler] == [0]
    assert (
        model.affinity_weight,
        model.affinity_start,
        model.contrast_weight,
        model.weighting,
    ) == (0.2, 8, 0, 'adaptive')
    assert (model.labels.mode, model.labels.low, model.labels.high, model.labels.downscale) == (
        'eq16',
        0.25,
        0.7,
        2,
    )
    assert (
        config.train_cfg.max_epochs == 45
        and config.train_dataloader.batch_size == 32
        and model.backbone.img_size == 448
    )
    steps = [step.type for step in config.train_dataloader.dataset.pipeline]
    assert (
        not [step for step in steps if 'Erasing' in step or 'RandAugment' in step]
        and 'mmwsss.ColorJitter' in steps
    )
    first = Config.fromfile(CONFIGS / 'ablations' / 'aream_v1_voc.py')
    assert (first.model.affinity_weight, first.model.affinity_start, first.model.split_layer) == (
        0.1,
        10,
        7,
    )
    assert (first.model.labels.mode, first.model.labels.low, first.model.labels.high) == (
        'two_pass',
        0.35,
        0.55,
    )
    assert (
        first.train_cfg.max_epochs == 60
        and first.train_dataloader.batch_size == 64
        and first.model.cam_flip
    )
    assert (
        first.model.backbone.pad_to_patch
        and first.model.test_cfg.eps == 1e-6
        and first.param_scheduler[0].lag == 1
    )
    both = Config.fromfile(CONFIGS / 'ablations' / 'mctformer_plus_aream_voc.py').model
    assert (
        both.contrast_weight == 1
        and both.test_cfg.fuse_sqrt
        and both.test_cfg.attention_layers is None
    )
