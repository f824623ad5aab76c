"""MCC: a whole step against the plain form, teacher, views, masks; released weights."""

import pytest
import torch

from benchmarks.textbook.mcc import PlainMCC, losses
from mmwsss.functional.masking import sample_key_masks
from tests.single_stage_models import SIDE, build, pictures, samples

TAGS = [[1, 0, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]
BOXES = [(0, 64, 0, 64), (9, 50, 0, 33), (0, 64, 20, 64)]


def views(num):
    return [pictures(num) for _ in range(3)]


@pytest.mark.parametrize('term', [False, True])
@pytest.mark.parametrize('num', [1, 3])
def test_step_against_the_released_work_list(num, term):
    """Reused passes and dropped tokens change neither the losses nor the gradients."""
    model = build(
        'MCC', mask_scale=2, contrast_loss=dict(temperature=0.5, for_else_term=term)
    ).train()
    plain, batch = PlainMCC(model), views(num)
    torch.manual_seed(1)
    ours = torch.stack(list(model(batch, samples(TAGS[:num], BOXES), mode='loss').values()))
    torch.manual_seed(1)
    theirs = losses(
        plain, model, batch, torch.tensor(TAGS[:num]).float(), torch.tensor(BOXES[:num])
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
    ours.sum().backward()
    theirs.sum().backward()
    pairs = [
        (model.backbone.cls_token, plain.class_token),
        (model.backbone.patch_embed.projection.weight, plain.embed.weight),
        (model.backbone.layers[0].attn.qkv.weight, plain.blocks[0].qkv.weight),
        (model.classifier.weight, plain.classifier.weight),
        (model.projector.last_layer.weight, plain.projector['last_layer'].weight),
        (model.decode_head.conv6.weight, plain.decoder[0].weight),
    ]
    for one, other in pairs:
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-6)
    assert all(weight.grad is None for weight in model.teacher.parameters())


@pytest.mark.parametrize('ratio', [0.0, 0.9, 1.0])
def test_dropping_tokens_is_masking_them(ratio):
    model, batch = build('MCC', mask_scale=2, mask_ratio=ratio), views(2)
    values = []
    for dropping in (True, False):
        model.token_dropping, model.iteration = dropping, 0
        torch.manual_seed(1)
        values.append(model.loss(batch, samples(TAGS[:2]))['loss_contrast'])
    torch.testing.assert_close(*values, rtol=1e-5, atol=1e-6)
    assert values[0].isfinite()


def test_teacher_averages_the_projector_of_each_step():
    model, batch = build('MCC', momentum=0.9), views(1)
    expected = model.projector.last_layer.weight.detach().clone()  # both begin alike
    for _ in range(3):
        model.loss(batch, samples(TAGS[:1]))
        torch.testing.assert_close(model.teacher.module.last_layer.weight, expected)
        with torch.no_grad():
            for weight in model.projector.parameters():
                weight.add_(torch.rand_like(weight))
        model.update_teacher()
        expected = 0.9 * expected + 0.1 * model.projector.last_layer.weight.detach()
        torch.testing.assert_close(model.teacher.module.last_layer.weight, expected)


def test_state_carries_the_average():
    model, other = build('MCC'), build('MCC')
    torch.nn.init.normal_(model.projector.last_layer.weight)
    model.update_teacher()
    other.load_state_dict(model.state_dict())
    batch = views(1)
    results = []
    for network in (model, other):
        torch.manual_seed(2)
        network.iteration = 2
        results.append(network.loss(batch, samples(TAGS[:1]))['loss_contrast'])
    assert torch.equal(*results)


def test_flags_come_from_the_maps_that_the_schedule_names():
    model = build('MCC', flag_cam=[(0, 'aux'), (5, 'main')])
    images, tags = pictures(2), torch.tensor(TAGS[:2]).float()
    maps = model.multi_scale_maps(images, model.present_classes(tags))
    roi = {}
    for iteration in (4, 5):
        model.iteration = iteration
        roi[iteration] = model.roi((8, 8), maps, tags)
    swapped = maps._replace(cams=maps.aux_cams, aux_cams=maps.cams)
    assert torch.equal(model.roi((8, 8), swapped, tags), roi[4]) and not torch.equal(roi[4], roi[5])


def test_wrong_views_masks_and_options():
    with pytest.raises(ValueError, match='MCC needs three views .*, got 1: use mmwsss.MultiViews'):
        build('MCC').loss(pictures(1), samples(TAGS[:1]))
    assert 'loss_contrast' not in build('MCC', loss_weights=dict(contrast=0)).loss(
        pictures(1), samples(TAGS[:1])
    )
    with pytest.raises(
        ValueError,
        match='8x8 tokens cannot be cut into cells of 3x3: the mask scale can be 1, 2, 4, 8',
    ):
        build('MCC', mask_scale=3).loss(views(1), samples(TAGS[:1]))
    with pytest.raises(ValueError, match='momentum must be between 0 and 1, got 2'):
        build('MCC', momentum=2)
    assert sample_key_masks(1, 1, (SIDE // 8, SIDE // 8), scale=8).shape == (1, 1, 8, 8)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_mixed_precision(dtype):
    model = build('MCC', mask_ratio=1.0)  # every local view hides everything
    with torch.autocast('cpu', dtype):
        results = model.loss(views(2), samples(TAGS[:2]))
    sum(results.values()).backward()
    assert len(results) == 6 and all(loss.isfinite() for loss in results.values())
    assert all(
        weight.grad.isfinite().all() for weight in model.parameters() if weight.grad is not None
    )


def test_released_names_load():
    """The names of the released file, with its weight-normalised layer and the teacher."""
    model, other = build('MCC'), build('MCC')
    renames = (
        ('backbone.patch_embed.projection', 'encoder.patch_embed.proj'),
        ('backbone.ln1.', 'encoder.norm.'),
        ('backbone.layers.', 'encoder.blocks.'),
        ('.ln1.', '.norm1.'),
        ('.ln2.', '.norm2.'),
        ('.ffn.layers.0.0.', '.mlp.fc1.'),
        ('.ffn.layers.1.', '.mlp.fc2.'),
        ('backbone.', 'encoder.'),
        ('decode_head.', 'decoder.'),
        ('teacher.module.', 'proj_head_t.'),
        ('projector.', 'proj_head.'),
    )
    released = {}
    for key, value in model.state_dict().items():
        for ours, theirs in renames:
            key = key.replace(ours, theirs)
        if key.endswith('last_layer.weight'):
            released[f'module.{key}_v'], released[f'module.{key}_g'] = (
                value,
                torch.ones(len(value), 1),
            )
        else:
            released[f'module.{key}'] = value
    released['module.encoder.head.weight'] = torch.zeros(1000, 16)
    keys = other.load_state_dict(released, strict=False)
    assert not keys.missing_keys and not keys.unexpected_keys
    assert all(
        torch.equal(value, other.state_dict()[key]) for key, value in model.state_dict().items()
    )
