"""Prediction of tag classifiers: views, tags, sizes, precision."""

import pytest
import torch
from torch.nn import functional as F

from mmwsss.functional.cam import minmax_normalize
from mmwsss.structures import WSSSDataSample
from tests.mctformer_golden import CAM_ARCH, build, samples_with


def network(num_classes=4, **options):
    """With weights spread so far that no map is nearly constant, which would blow up rounding
    errors.
    """
    model = build(num_classes, CAM_ARCH, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return model


def views_of(size, scales=(1.0, 0.75)):
    image = torch.randn(1, 3, *size)
    return [
        F.interpolate(image, (round(size[0] * scale), round(size[1] * scale)), mode='bilinear')
        for scale in scales
    ]


@torch.no_grad()
def by_hand(model, views, keys, size):
    """Flip by flip, scale by scale, map by map."""
    total = torch.zeros(len(keys), *size)
    for view in views:
        for flip in (False, True) if model.test_cfg['flip'] else (False,):
            maps = model.maps_of(model.extract(view.flip(-1) if flip else view), keys)
            maps = F.interpolate(maps, size, mode='bilinear', align_corners=False)[0]
            total += maps.flip(-1) if flip else maps
    return minmax_normalize(total)


@pytest.mark.parametrize('flip', [True, False])
@pytest.mark.parametrize('size', [(64, 64), (75, 100), (37, 130)])
def test_sum_over_views(size, flip):
    model = network(test_cfg=dict(flip=flip))
    views = views_of(size)
    (sample,) = model.predict([views], samples_with([[0, 1, 0, 1]], ori_shape=size))
    assert sample.cam_keys == (1, 3) and sample.pred_cams.data.dtype == torch.float32
    torch.testing.assert_close(sample.pred_cams.data, by_hand(model, views, [1, 3], size))
    torch.testing.assert_close(sample.pred_scores, model(views[0])[0])
    assert sample.pred_cams.data.amin() >= 0 and sample.pred_cams.data.amax() <= 1


def test_batches_of_equal_and_other_sizes():
    model = network()
    sizes = [(64, 64), (48, 80), (64, 64), (64, 64), (48, 80), (20, 33)]
    tags = [[1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0]]
    inputs = [views_of(size, (1.0, 0.8)) for size in sizes]

    def samples():
        return [samples_with([row], ori_shape=size)[0] for row, size in zip(tags, sizes)]

    together = model.predict(inputs, samples())
    for result, views, sample, row, size in zip(together, inputs, samples(), tags, sizes):
        (alone,) = model.predict([views], [sample])
        assert (
            result.cam_keys
            == alone.cam_keys
            == tuple(index for index, tag in enumerate(row) if tag)
        )
        assert result.pred_cams.data.shape == (sum(row), *size)
        torch.testing.assert_close(
            result.pred_cams.data, alone.pred_cams.data, rtol=1e-4, atol=1e-5
        )
        torch.testing.assert_close(result.pred_scores, alone.pred_scores)


def test_maps_have_the_original_size():
    """Images of one network size that come from files of several sizes."""
    model = network()
    sizes = [(30, 50), (61, 47), (30, 50)]
    samples = [samples_with([[1, 0, 0, 0]], ori_shape=size)[0] for size in sizes]
    results = model.predict(torch.randn(3, 3, 64, 64), samples)
    assert [result.pred_cams.data.shape for result in results] == [(1, *size) for size in sizes]
    (without,) = model.predict(torch.randn(1, 3, 48, 64), samples_with([[1, 0, 0, 0]]))
    assert without.pred_cams.data.shape == (1, 48, 64)


def test_no_tags_at_all():
    model = network()
    for row in model.predict(torch.randn(2, 3, 48, 64), samples_with(torch.zeros(2, 4))):
        assert (
            row.cam_keys == ()
            and row.pred_cams.data.shape == (0, 48, 64)
            and row.pred_scores.shape == (4,)
        )


def test_constant_image_and_constant_maps():
    model = network()
    (sample,) = model.predict([[torch.zeros(1, 3, 64, 64)]], samples_with(torch.ones(1, 4)))
    assert sample.pred_cams.data.isfinite().all() and sample.pred_cams.data.amax() <= 1
    model.patch_head.conv.weight.data.zero_()
    model.patch_head.conv.bias.data.fill_(-1)  # ReLU leaves nothing
    (sample,) = model.predict(torch.randn(1, 3, 64, 64), samples_with(torch.ones(1, 4)))
    assert torch.equal(sample.pred_cams.data, torch.zeros(4, 64, 64))


def test_predicted_tags():
    model = network(test_cfg=dict(tags='predicted', score_threshold=0.5))
    image = torch.randn(1, 3, 64, 64)
    scores = torch.tensor([0.2, 0.7, 0.5, 0.51])
    for threshold, keys in ((0.5, (1, 3)), (0.1, (0, 1, 2, 3)), (0.9, (1,))):
        model.test_cfg['score_threshold'] = threshold
        model.scores_of = lambda extracted: scores.expand(2, 4)
        (sample,) = model.predict(image, [WSSSDataSample()])  # no tags needed
        assert sample.cam_keys == keys and len(sample.pred_cams.data) == len(keys)


def test_missing_tags():
    with pytest.raises(ValueError, match=r"photo\.jpg: has no tags.*test_cfg\.tags='predicted'"):
        network().predict(
            torch.randn(1, 3, 64, 64), [WSSSDataSample(metainfo=dict(img_path='photo.jpg'))]
        )


def test_bfloat16_is_close():
    image = torch.randn(1, 3, 64, 96)
    model = network(test_cfg=dict(dtype='bf16'))
    samples = model.predict(image, samples_with(torch.ones(1, 4)))
    maps, scores = samples[0].pred_cams.data, samples[0].pred_scores
    model.test_cfg['dtype'] = 'fp32'
    (reference,) = model.predict(image, samples_with(torch.ones(1, 4)))
    assert maps.dtype == scores.dtype == torch.float32
    assert 0 < (maps - reference.pred_cams.data).abs().mean() < 0.03
    torch.testing.assert_close(scores, reference.pred_scores, rtol=0.02, atol=0.01)


def brightness_network(**options):
    """A network whose map of its one class is the brightness of each patch."""
    model = network(1, test_cfg=dict(map_type='patchcam', refine=False, flip=False), **options)
    backbone, conv = model.backbone, model.patch_head.conv
    with torch.no_grad():
        for parameter in (*backbone.parameters(), conv.weight, conv.bias):
            parameter.zero_()
        backbone.patch_embed.projection.weight[0] = 1 / (3 * 256)
        conv.weight[0, 0, 1, 1] = 1
    return model


@pytest.mark.parametrize('size', [(70, 90), (64, 81), (79, 64), (64, 64), (33, 47)])
@pytest.mark.parametrize('edge', ['right', 'bottom', 'left', 'top'])
@pytest.mark.parametrize('scale', [1.0, 1.25, 0.7])
def test_padded_maps_stay_aligned(size, edge, scale, monkeypatch):
    """A bright band at an edge is brightest there, and its inner border does not move."""
    monkeypatch.setattr('mmwsss.models.algorithms.base.minmax_normalize', lambda maps, eps: maps)
    model = brightness_network(backbone=dict(pad_to_patch=True))
    view_size = round(size[0] * scale), round(size[1] * scale)
    image = torch.zeros(1, 3, *view_size)
    band = {
        'right': image[..., view_size[1] // 16 * 16 :] if view_size[1] % 16 else image[..., -16:],
        'bottom': image[..., view_size[0] // 16 * 16 :, :]
        if view_size[0] % 16
        else image[..., -16:, :],
        'left': image[..., :16],
        'top': image[..., :16, :],
    }[edge]
    band += 1
    (sample,) = model.predict([[image]], samples_with([[1]], ori_shape=size))
    cam = sample.pred_cams.data[0]
    assert cam.shape == size
    profile = cam.amax(0 if edge in ('left', 'right') else 1)
    profile = profile if edge in ('right', 'bottom') else profile.flip(0)
    torch.testing.assert_close(profile[-1], profile.max())
    side = size[1] if edge in ('left', 'right') else size[0]
    width = band.shape[-1] if edge in ('left', 'right') else band.shape[-2]
    # bilinear: half of the value is reached half way between the centres of two patches, at their
    # border
    crossing = int((profile > width / 16 / 2 - 1e-4).nonzero()[0])
    patch_border = side - width / scale
    assert abs(crossing - patch_border) <= 1.5, (crossing, patch_border)


def test_ignored_remainder_is_the_default():
    """As released: the remainder of a patch is not seen, and the map is stretched over the
    image.
    """
    model = brightness_network()
    image = torch.zeros(1, 3, 64, 79)
    image[..., 64:] = 1
    (sample,) = model.predict([[image]], samples_with([[1]]))
    assert torch.equal(sample.pred_cams.data, torch.zeros(1, 64, 79))


def test_smaller_than_a_patch():
    with pytest.raises(ValueError, match='12x30.*smaller than a patch'):
        network().predict([[torch.randn(1, 3, 30, 12)]], samples_with(torch.ones(1, 4)))


def test_modes_and_options():
    model = network()
    image = torch.randn(2, 3, 64, 64)
    assert model(image).shape == (2, 4) and 0 < model(image).amin() and model(image).amax() < 1
    with pytest.raises(ValueError, match="'test'"):
        model(image, mode='test')
    with pytest.raises(ValueError, match='no option.*flipped'):
        network(test_cfg=dict(flipped=True))
    with pytest.raises(ValueError, match="dtype must be one of.*'half'"):
        network(test_cfg=dict(dtype='half'))


def test_prediction_keeps_no_graph_and_no_state():
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    (sample,) = model.predict(torch.randn(1, 3, 64, 64), samples_with(torch.ones(1, 4)))
    assert not sample.pred_cams.data.requires_grad and not sample.pred_scores.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_scales_of_less_than_a_patch_are_skipped_with_a_note(caplog):
    model = network().eval()
    patch = model.backbone.patch_size
    views = views_of((patch, 3 * patch), (0.75, 1.0, 1.25))
    samples = samples_with([[0.0, 1, 1, 0]])
    samples[0].set_metainfo(dict(img_path='thumb.png', ori_shape=(patch, 3 * patch)))
    logged = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            'mmwsss.models.algorithms.base.print_log', lambda text, **_: logged.append(text)
        )
        _, keys, (cams,) = model.predict_cams(views, samples)
    assert keys == [[1, 2]]
    torch.testing.assert_close(
        cams, by_hand(model, views[1:], [1, 2], (patch, 3 * patch)), atol=1e-5, rtol=1e-4
    )
    assert len(logged) == 1 and 'thumb.png: 1 of 3 scales are skipped' in logged[0]
    with pytest.raises(ValueError, match=f'thumb.png: .* smaller than a patch of {patch}x{patch}'):
        model.predict_cams(views[:1], samples)
