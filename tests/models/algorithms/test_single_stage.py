"""The single-stage baseline: network, maps, labels, losses and their phases, predictions."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmwsss.apis import infer_cams, infer_masks
from mmwsss.functional.cam import minmax_normalize
from mmwsss.functional.par import pixel_adaptive_refinement
from mmwsss.functional.pseudo_labels import boxes_on_grid, labels_two_pass
from mmwsss.models.algorithms.single_stage import cam_schedule, to_class_ids
from tests.single_stage_models import BACKBONE, SIDE, build, pictures, samples

TAGS = [[1, 0, 0, 1, 0], [0, 0, 1, 0, 0]]
BOXES = [(0, 64, 0, 64), (9, 50, 0, 33)]
ALL = {'loss_cls', 'loss_aux_cls', 'loss_affinity', 'loss_seg', 'loss_energy'}


def plain_maps(model, images, scales, flip=True):
    """All classes, one view after the other."""
    totals = [0, 0]
    for scale in scales:
        x = F.interpolate(
            images,
            size=[int(scale * side) for side in images.shape[-2:]],
            mode='bilinear',
            align_corners=False,
        )
        views = []
        for flipped in (False, True)[: 1 + flip]:
            features = model.backbone(x.flip(-1) if flipped else x)
            maps = model.classifier(features.patch_map), model.aux_classifier(features.aux_map)
            maps = [
                F.interpolate(part, size=images.shape[-2:], mode='bilinear', align_corners=False)
                for part in maps
            ]
            views.append([part.flip(-1) if flipped else part for part in maps])
        for index, parts in enumerate(zip(*views)):
            totals[index] = totals[index] + torch.stack(parts).amax(0).relu()
    totals = [maps - maps.amin((2, 3), keepdim=True) for maps in totals]
    return [maps / (maps.amax((2, 3), keepdim=True) + 1e-5) for maps in totals]


# network and maps ---------------------------------------------------------------------------------


def test_logits_pool_features_before_the_classifier():
    model = build()
    features = model.features(pictures(2))
    logits, aux_logits = model.tag_logits(features)
    torch.testing.assert_close(
        logits, features.patch_map.flatten(2).amax(2) @ model.classifier.weight[:, :, 0, 0].T
    )
    torch.testing.assert_close(
        aux_logits, features.aux_map.flatten(2).amax(2) @ model.aux_classifier.weight[:, :, 0, 0].T
    )
    assert model.seg_logits(features).shape == (2, 6, 8, 8)
    main, aux = model.raw_cams(features, torch.tensor([3, 1]))
    torch.testing.assert_close(main, model.classifier(features.patch_map)[:, [3, 1]])
    torch.testing.assert_close(aux, model.aux_classifier(features.aux_map)[:, [3, 1]])
    main.sum().backward()
    assert model.classifier.weight.grad is None and model.backbone.cls_token.grad is not None


def test_logits_may_rank_class_maps():
    model = build(ranking_decay=0.9)
    features = model.features(pictures(2))
    weights = 0.9 ** torch.arange(64)
    for logits, maps in zip(model.tag_logits(features), model.raw_cams(features), strict=True):
        ranked = maps.flatten(2).sort(descending=True).values
        torch.testing.assert_close(logits, (ranked * weights).sum(2) / weights.sum())


@pytest.mark.parametrize('scales', [(1.0, 0.5, 1.5), (0.5, 1.0), (1.0,)])
@pytest.mark.parametrize('flip', [True, False])
@torch.no_grad()
def test_multi_scale_maps(scales, flip):
    model, images = build(), pictures(2)
    expected = plain_maps(model, images, scales, flip)
    classes = torch.tensor([4, 0, 2])
    for features in (None, model.features(images)):
        maps = model.multi_scale_maps(images, classes, scales=scales, flip=flip, features=features)
        torch.testing.assert_close(maps.cams, expected[0][:, [4, 0, 2]], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(maps.aux_cams, expected[1][:, [4, 0, 2]], rtol=1e-5, atol=1e-5)
        assert maps.seg_logits is None
    maps = model.multi_scale_maps(images, scales=scales, flip=flip)
    torch.testing.assert_close(maps.cams, expected[0], rtol=1e-5, atol=1e-5)
    assert (
        maps.classes.tolist() == [0, 1, 2, 3, 4]
        and 0 <= float(maps.cams.min())
        and float(maps.cams.max()) < 1
    )
    last = model.multi_scale_maps(images, scales=scales, flip=flip, aux_scales='last')
    torch.testing.assert_close(
        last.aux_cams, plain_maps(model, images, scales[-1:], flip)[1], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize('rule', ['sum_logits', 'max_of_flip_sums', 'sum_of_flip_maxima'])
@torch.no_grad()
def test_segmentation_of_several_scales(rule):
    model, images, size = build(), pictures(2), (50, 70)
    views = []
    for scale in (1.0, 1.25):
        x = F.interpolate(
            images, size=[int(scale * SIDE)] * 2, mode='bilinear', align_corners=False
        )
        plain, flipped = (
            F.interpolate(
                model.seg_logits(model.features(view)),
                size=size,
                mode='bilinear',
                align_corners=False,
            )
            for view in (x, x.flip(-1))
        )
        views.append(torch.stack([plain, flipped.flip(-1)]))
    views = torch.stack(views)
    expected = dict(
        sum_logits=views.sum((0, 1)),
        max_of_flip_sums=views.sum(1).amax(0),
        sum_of_flip_maxima=views.amax(1).sum(0),
    )[rule]
    maps = model.multi_scale_maps(
        images, torch.tensor([], dtype=torch.long), scales=(1.0, 1.25), size=size, seg_fusion=rule
    )
    torch.testing.assert_close(maps.seg_logits, expected, rtol=1e-5, atol=1e-5)
    assert maps.cams.shape == (2, 0, *size)


@pytest.mark.parametrize(('flip', 'seg_flip'), [(True, True), (True, False), (False, True)])
@torch.no_grad()
def test_maps_and_segmentation_share_their_passes(flip, seg_flip, monkeypatch):
    model, images, size = build(), pictures(2), (50, 70)
    cams = model.multi_scale_maps(images, scales=(1.25, 1.0), flip=flip)
    seg = model.multi_scale_maps(
        images, scales=(0.5, 1.0), flip=seg_flip, size=size, seg_fusion='sum_logits'
    ).seg_logits
    features = model.features(images)
    passes, forward = [], model.backbone.forward
    monkeypatch.setattr(
        model.backbone, 'forward', lambda x: passes.append((x.shape[-1], len(x))) or forward(x)
    )
    maps = model.multi_scale_maps(
        images,
        scales=(1.25, 1.0),
        flip=flip,
        features=features,
        seg_fusion='sum_logits',
        seg_scales=(0.5, 1.0),
        seg_flip=seg_flip,
        seg_size=size,
    )
    for ours, theirs in (
        (maps.cams, cams.cams),
        (maps.aux_cams, cams.aux_cams),
        (maps.seg_logits, seg),
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert passes == [
        (int(1.25 * SIDE), 2 * (1 + flip)),
        (SIDE, 2),
        (SIDE // 2, 2 * (1 + seg_flip)),
    ]


# labels -------------------------------------------------------------------------------------------


def test_labels_of_present_classes_are_those_of_all():
    """Maps of untagged classes are never made; nothing else changes."""
    model, images = build(), pictures(2)
    tags, boxes = torch.tensor(TAGS).float(), torch.tensor(BOXES)
    present = model.multi_scale_maps(images, model.present_classes(tags))
    full = model.multi_scale_maps(images)
    assert present.classes.tolist() == [0, 2, 3]
    labels = model.pseudo_labels(images, tags, boxes, present)
    pixels = model.pixels(images, rounding='round')
    expected = labels_two_pass(
        pixels, full.cams, tags, 0.7, 0.25, boxes=boxes, par=pixel_adaptive_refinement
    )
    assert torch.equal(labels, expected) and {0, 255} < set(labels.unique().tolist()) <= {
        0,
        1,
        3,
        4,
        255,
    }
    assert torch.equal(
        model.token_labels((8, 8), tags, boxes, present),
        model.token_labels((8, 8), tags, boxes, full),
    )
    # the tokens under the box, and the released slice in the wrong units
    labels = model.token_labels((8, 8), tags, boxes, present)
    inside = labels != 255
    assert not inside[1, 0].any() and not inside[1, 7:].any() and not inside[1, :, 5:].any()
    model.pseudo_label['legacy_box'] = True
    assert (model.token_labels((8, 8), tags, boxes, present)[1] == 255).all()


def test_boxes_on_a_grid():
    boxes = torch.tensor([[0, 448, 0, 448], [5, 33, 16, 47], [448, 448, 0, 0]])
    assert boxes_on_grid(boxes, (448, 448), (28, 28)).tolist() == [
        [0, 28, 0, 28],
        [0, 3, 1, 3],
        [28, 28, 0, 0],
    ]


def test_class_ids():
    labels = torch.tensor([[0, 1, 2, 3, 255]])
    assert to_class_ids(labels, torch.tensor([4, 9, 11])).tolist() == [[0, 5, 10, 12, 255]]
    assert to_class_ids(torch.tensor([0, 255]), torch.tensor([], dtype=torch.long)).tolist() == [
        0,
        255,
    ]


def test_source_of_the_maps_changes_with_the_iteration():
    model, images = build(pseudo_label=dict(seg_cam=[(0, 'aux'), (7, 'main')])), pictures(1)
    maps = model.multi_scale_maps(images)
    for iteration, expected in (
        (0, maps.aux_cams),
        (6, maps.aux_cams),
        (7, maps.cams),
        (100, maps.cams),
    ):
        model.iteration = iteration
        assert model.cam_of(model.seg_cam, maps) is expected
    assert cam_schedule('a', 'aux') == [(0, 'aux')]
    for wrong in ([(5, 'main')], 'both', [(0, 'main'), (5, 'other')], []):
        with pytest.raises(ValueError, match="flag_cam must be 'main', 'aux', or a list"):
            cam_schedule('flag_cam', wrong)


# losses -------------------------------------------------------------------------------------------


def test_losses_start_one_after_the_other():
    model = build(loss_starts=dict(affinity=1, seg=2, energy=3))
    seen = []
    for iteration in range(4):
        model.update_schedule(epoch=0, iteration=iteration)
        seen.append(set(model.loss(pictures(2), samples(TAGS, BOXES))))
    assert seen == [
        {'loss_cls', 'loss_aux_cls'},
        seen[0] | {'loss_affinity'},
        seen[1] | {'loss_seg'},
        ALL,
    ]
    model.update_schedule(epoch=0, iteration=1)
    assert set(model.loss(pictures(2), samples(TAGS, BOXES))) == seen[1]


def test_a_weight_of_zero_is_never_computed(monkeypatch):
    model = build(loss_weights=dict(affinity=0, seg=0, energy=0))
    monkeypatch.setattr(model, 'multi_scale_maps', None)
    assert set(model.loss(pictures(1), samples(TAGS[:1]))) == {'loss_cls', 'loss_aux_cls'}


def test_a_batch_is_the_mean_of_its_images():
    model, images, batch = build(), pictures(2), samples(TAGS, BOXES)
    together = model.loss(images, batch)
    alone = [model.loss(images[i : i + 1], batch[i : i + 1]) for i in range(2)]
    assert set(together) == ALL
    for name, value in together.items():
        torch.testing.assert_close(
            value, (alone[0][name] + alone[1][name]) / 2, rtol=1e-4, atol=1e-9
        )


def test_every_weight_learns_and_the_positions_do_not():
    model = build()
    sum(model.loss(pictures(2), samples(TAGS)).values()).backward()
    without = [name for name, weight in model.named_parameters() if weight.grad is None]
    assert without == ['backbone.pos_embed'] and not model.backbone.pos_embed.requires_grad


@pytest.mark.parametrize(
    'tags', [[[0, 0, 0, 0, 0]], [[0, 0, 0, 0, 0], [0, 1, 0, 0, 0]], [[1, 1, 1, 1, 1]]]
)
def test_any_number_of_tags(tags):
    losses = build().loss(pictures(len(tags)), samples(tags))
    assert set(losses) == ALL and all(loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_mixed_precision(dtype):
    model = build()
    with torch.autocast('cpu', dtype):
        losses = model.loss(pictures(2), samples(TAGS, BOXES))
    sum(losses.values()).backward()
    assert all(loss.isfinite() and loss.dtype == torch.float32 for loss in losses.values())
    assert all(
        weight.grad.isfinite().all() for weight in model.parameters() if weight.requires_grad
    )


def test_wrong_options():
    with pytest.raises(
        ValueError, match=r"loss_weights has no entry \['mcc'\]; entries: \['affinity'"
    ):
        build(loss_weights=dict(mcc=1.0))
    with pytest.raises(ValueError, match='loss_starts has no entry'):
        build(loss_starts=dict(contrast=1))
    with pytest.raises(ValueError, match='pseudo_label has no entry'):
        build(pseudo_label=dict(threshold=1))
    with pytest.raises(ValueError, match='no option'):
        build(test_cfg=dict(refine=True))
    with pytest.raises(ValueError, match="outputs must be some of .*, got \\['mask'\\]"):
        build(test_cfg=dict(outputs=['mask']))
    with pytest.raises(ValueError, match="export must be one of .*, got 'all'"):
        build(test_cfg=dict(export='all'))
    with pytest.raises(ValueError, match='rule must be one of'):
        build(test_cfg=dict(seg_fusion='max'))
    with pytest.raises(ValueError, match='set aux_layer of the backbone'):
        build(backbone=dict(type='mmwsss.TokenViT', arch='deit-tiny'))


# predictions --------------------------------------------------------------------------------------


@torch.no_grad()
def test_predictions():
    model, images = build(test_cfg=dict(size=(64, 64), scales=(1.0, 0.5))).eval(), pictures(2, 80)
    batch = samples(TAGS)
    for sample, shape in zip(batch, ((50, 70), (50, 70))):
        sample.set_metainfo(dict(ori_shape=shape))
    model(images, batch, mode='predict')
    squashed = F.interpolate(images, size=(64, 64), mode='bilinear', align_corners=False)
    cams, aux_cams = (
        F.interpolate(maps, size=(50, 70), mode='bilinear', align_corners=False)
        for maps in plain_maps(model, squashed, (1.0, 0.5))
    )
    logits = F.interpolate(
        model.seg_logits(model.features(squashed)),
        size=(50, 70),
        mode='bilinear',
        align_corners=False,
    )
    for index, (sample, keys) in enumerate(zip(batch, ([0, 3], [2]))):
        assert sample.cam_keys == tuple(keys)
        torch.testing.assert_close(sample.pred_cams.data, cams[index, keys], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(
            sample.pred_aux_cams.data, aux_cams[index, keys], rtol=1e-5, atol=1e-5
        )
        torch.testing.assert_close(sample.seg_logits.data, logits[index], rtol=1e-5, atol=1e-5)
        assert torch.equal(sample.pred_sem_seg.data[0], sample.seg_logits.data.argmax(0))
        torch.testing.assert_close(
            sample.pred_scores, model.tag_logits(model.features(squashed))[0][index].sigmoid()
        )


@torch.no_grad()
@pytest.mark.parametrize('export', ['main', 'aux', 'ensemble'])
def test_exported_maps(export):
    model = build().eval()
    given, images = samples(TAGS), pictures(2)
    model(images, given, mode='predict')
    model.test_cfg['export'] = export
    batch = samples(TAGS)
    model(images, batch, mode='predict')
    _, keys, cams = model.predict_cams([images], samples(TAGS))
    for sample, before, image_keys, maps in zip(batch, given, keys, cams):
        main, aux = before.pred_cams.data, before.pred_aux_cams.data
        expected = dict(main=main, aux=aux, ensemble=(main + aux) / 2)[export]
        torch.testing.assert_close(sample.pred_cams.data, expected)
        torch.testing.assert_close(sample.pred_aux_cams.data, aux)
        torch.testing.assert_close(maps, expected)
        assert sample.cam_keys == tuple(image_keys) and 0 <= maps.min() and maps.max() <= 1


@torch.no_grad()
def test_outputs_and_untagged_images():
    model, batch = build(test_cfg=dict(outputs=('seg',))).eval(), samples([[0] * 5])
    model(pictures(1), batch, mode='predict')
    assert 'pred_cams' not in batch[0] and batch[0].pred_sem_seg.data.shape == (1, 64, 64)
    model, batch = build().eval(), samples([[0] * 5])
    model(pictures(1), batch, mode='predict')
    assert (
        batch[0].pred_cams.data.shape == batch[0].pred_aux_cams.data.shape == (0, 64, 64)
        and batch[0].cam_keys == ()
    )
    scores, keys, cams = model.predict_cams([pictures(2)], samples(TAGS))
    assert (
        scores.shape == (2, 5) and keys == [[0, 3], [2]] and [len(part) for part in cams] == [2, 1]
    )


@torch.no_grad()
def test_what_training_sees():
    model = build()
    seen = model.inspect([pictures(2)] * 3, samples(TAGS, BOXES))
    assert {key: tuple(value.shape) for key, value in seen.items()} == dict(
        image=(3, 64, 64),
        classes=(2,),
        cam=(2, 64, 64),
        aux_cam=(2, 64, 64),
        pseudo_label=(64, 64),
        prediction=(64, 64),
    )
    assert seen['image'].dtype == torch.uint8 and model.iteration == 0


def test_inference_api():
    model = build(test_cfg=dict(scales=(1.0,)))
    model.cfg, model.class_names = _config(), ('background', 'a', 'b', 'c', 'd', 'e')
    image = np.random.randint(0, 256, (70, 90, 3), np.uint8)
    result = infer_cams(model, image, tags=['b', 'e'], scales=(1.0, 0.5), flip=False)
    assert (
        result.cams.shape == (2, 70, 90)
        and result.classes.tolist() == [1, 4]
        and model.test_cfg['scales'] == (1.0,)
    )
    mask = infer_masks(model, image)
    assert mask.shape == (70, 90) and mask.dtype == np.uint8 and mask.max() <= 5
    with pytest.raises(ValueError, match='SingleStage has no option refine'):
        infer_cams(model, image, refine=True)
    with pytest.raises(ValueError, match='segments without tags'):
        infer_masks(model, image, tags=['b'])


def _config():
    from mmengine.config import ConfigDict

    return ConfigDict(
        test_dataloader=dict(
            dataset=dict(
                pipeline=[dict(type='mmwsss.LoadImage'), dict(type='mmwsss.PackTagInputs')]
            )
        )
    )


def test_no_other_cam_method():
    """A method that would be ignored is refused."""
    model = build()
    model.set_cam(None)
    with pytest.raises(ValueError, match='no other CAM method'):
        model.set_cam(dict(type='mmwsss.GradientAttention'))


def test_padding_of_the_backbone_is_cut_off():
    """Maps of a backbone that pads are those of the padded image without its margin, in every view
    and in training.
    """
    model = build(loss_weights=dict(energy=0.0))
    padded = build(loss_weights=dict(energy=0.0), backbone=dict(BACKBONE, pad_to_patch=True))
    padded.load_state_dict(model.state_dict())
    image = pictures(1)[..., :52, :59]
    wide = F.pad(image, (0, 5, 0, 4))
    with torch.no_grad():
        features = model.features(wide)
        maps, flipped = (
            padded.multi_scale_maps(view, scales=(1.0,), flip=True, seg_fusion='sum_logits')
            for view in (image, image.flip(-1))
        )
        single = padded.multi_scale_maps(image, scales=(1.0,), flip=False, seg_fusion='sum_logits')
    whole = [
        F.interpolate(part, size=(56, 64), mode='bilinear', align_corners=False)[..., :52, :59]
        for part in (model.raw_cams(features)[0], model.seg_logits(features))
    ]
    torch.testing.assert_close(single.cams, minmax_normalize(whole[0].relu(), eps=1e-5))
    torch.testing.assert_close(single.seg_logits, whole[1])
    torch.testing.assert_close(maps.cams, flipped.cams.flip(-1))
    torch.testing.assert_close(maps.seg_logits, flipped.seg_logits.flip(-1))
    labels = torch.randint(0, 6, (1, 52, 59))
    loss = padded.segmentation_losses(image, padded.features(image), None, labels)['loss_seg']
    torch.testing.assert_close(loss, padded.loss_weights['seg'] * padded.seg_loss(whole[1], labels))
