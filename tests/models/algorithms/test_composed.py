"""The composition of published parts: its losses against those of the parts alone."""

import pytest
import torch

from mmwsss.functional.cam import minmax_normalize
from mmwsss.functional.proposals import segment_means
from mmwsss.models.losses import ClassTokenContrastLoss
from mmwsss.models.modules import Superpixels, ViewConsistency
from tests.single_stage_models import BACKBONE, build, pictures, samples

TAGS = torch.tensor([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0]])
OWN = {'loss_token', 'loss_contrast', 'loss_attention', 'loss_consistency'}


def composed(**options):
    torch.manual_seed(0)
    model = build(
        'Composed',
        **{
            'ranking_decay': 0.9,
            'pseudo_label': dict(low=0.2, high=0.4, affinity_cam='main', scales=(1.0,)),
            **options,
            'loss_weights': dict(energy=0.0, **options.get('loss_weights', {})),
        },
    )
    torch.nn.init.normal_(model.decode_head.conv8.weight)
    model.average.reset()
    return model.train()


def step(model):
    torch.manual_seed(1)
    weak = pictures(len(TAGS))
    inputs = [weak, weak + 0.1 * torch.randn_like(weak)]
    return inputs, model(inputs, samples(TAGS), mode='loss')


def test_one_step_trains_all_parts_and_changes_no_state():
    model = composed()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    _, losses = step(model)
    assert {'loss_cls', 'loss_aux_cls', 'loss_seg', 'loss_cam', *OWN} == set(losses)
    assert all(value.isfinite() and value > 0 for value in losses.values())
    sum(losses.values()).backward()
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    for part in (model.backbone.cls_token, model.classifier.weight, model.decode_head.conv8.weight):
        assert part.grad.abs().sum() > 0
    assert all(value.grad is None for value in model.assignment.parameters())


def test_losses_of_weight_zero_are_not_computed():
    nothing = dict(token=0.0, contrast=0.0, attention=0.0, consistency=0.0)
    model = composed(loss_weights=nothing)
    features = model.features(pictures(2))
    assert not features.attention
    _, losses = step(model)
    assert not OWN & {name for name, value in losses.items() if value != 0}
    assert not {'loss_attention', 'loss_consistency'} & set(losses)


def test_class_token_losses_are_those_of_the_parts():
    model = composed(loss_weights=dict(consistency=0.0, token=0.5, contrast=2.0))
    (_, strong), losses = step(model)
    features = model.backbone(strong, class_embeddings=True)
    scores = features.class_embeddings[-1].mean(-1)
    expected = 0.5 * torch.nn.functional.multilabel_soft_margin_loss(scores, TAGS)
    torch.testing.assert_close(losses['loss_token'], expected)
    contrast = 2 * ClassTokenContrastLoss()(features.class_embeddings, TAGS)
    torch.testing.assert_close(losses['loss_contrast'], contrast)


def test_consistency_is_that_of_two_separate_passes():
    model = composed()
    (_, strong), losses = step(model)
    part = ViewConsistency()
    image, mirrored = (
        model.backbone(view, attention=part.requests()).attention
        for view in (strong, strong.flip(-1))
    )
    lists = [{name: list(maps[name]) for name in part.terms} for maps in (image, mirrored)]
    terms = part.differences(*lists, (8, 8), ['hflip'] * 2, (8, 8))
    torch.testing.assert_close(losses['loss_consistency'], sum(terms.values()))


def test_a_mirror_image_is_classified_too():
    model, image_only = composed(), composed(loss_weights=dict(consistency=0.0))
    (_, strong), losses = step(model)
    alone = image_only.classification_losses(image_only.features(strong), TAGS)
    flipped = image_only.classification_losses(image_only.features(strong.flip(-1)), TAGS)
    for name, value in alone.items():
        torch.testing.assert_close(losses[name], (value + flipped[name]) / 2)


def test_flattest_layer_weighs_most():
    model = composed()
    (weak, strong), _ = step(model)
    maps = model.assign(weak, TAGS)
    layers = model.features(strong).attention['layers']
    weights = model._flatness(layers, maps, TAGS, (8, 8))
    assert weights.shape == (2, 3)
    assert torch.equal(weights.amax(1), torch.ones(2, dtype=weights.dtype))
    assert torch.equal(weights.amin(1), torch.zeros(2, dtype=weights.dtype))


def test_prediction_reads_the_assignment_network():
    model = composed(test_cfg=dict(size=None, scales=(1.0,), seg_scales=(1.0,))).eval()
    assert 'mirrored' not in model.features(pictures(1)).attention
    with torch.no_grad():
        model.classifier.weight.zero_()
    (sample,) = model(pictures(1), samples(TAGS[:1]), mode='predict')
    assert sample.pred_cams.data.amax() > 0
    assert sample.pred_sem_seg.data.shape == (1, 64, 64)


def test_signed_maps_keep_evidence_against_a_class():
    images, keys = pictures(2), torch.tensor([0, 3])
    signed, rectified = composed(signed=True), composed()
    for model in (signed, rectified):
        maps = model.assignment.multi_scale_maps(images, keys, scales=(1.0,), flip=False)
        features = model.assignment.features(images)
        raw = torch.nn.functional.interpolate(
            model.assignment.raw_cams(features, keys)[0],
            size=images.shape[-2:],
            mode='bilinear',
            align_corners=False,
        )
        raw = raw if model is signed else raw.relu()
        torch.testing.assert_close(maps.cams, minmax_normalize(raw, eps=1e-5))


def test_labels_and_predictions_follow_superpixels(monkeypatch):
    pytest.importorskip('skimage')
    halves = (torch.arange(64) >= 40).long().expand(64, 64)
    seen = []

    def two_halves(self, image):
        seen.append(image)
        return halves

    monkeypatch.setattr(Superpixels, '__call__', two_halves)
    options = dict(superpixels=dict(size=50))
    model = composed(
        pseudo_label=dict(low=0.2, high=0.4, scales=(1.0,), **options),
        test_cfg=dict(size=None, scales=(1.0,), seg_scales=(1.0,), **options),
    )
    plain = composed(test_cfg=dict(size=None, scales=(1.0,), seg_scales=(1.0,)))
    images = pictures(2)
    maps, expected = model.assign(images, TAGS), plain.assign(images, TAGS)
    for voted, raw in ((maps.cams, expected.cams), (maps.aux_cams, expected.aux_cams)):
        torch.testing.assert_close(voted, torch.stack([segment_means(m, halves) for m in raw]))
    assert all(image.dtype == torch.uint8 and image.shape == (3, 64, 64) for image in seen)
    torch.testing.assert_close(
        seen[1].float(), model.pixels(images)[1].clamp(0, 255), atol=0.51, rtol=0
    )
    (sample,) = model.eval()(images[:1], samples(TAGS[:1]), mode='predict')
    (raw,) = plain.eval()(images[:1], samples(TAGS[:1]), mode='predict')
    torch.testing.assert_close(
        sample.pred_cams.data, segment_means(raw.pred_cams.data, halves), atol=1e-5, rtol=0
    )
    (untagged,) = model(images[:1], samples(0 * TAGS[:1]), mode='predict')
    assert untagged.pred_cams.data.shape == (0, 64, 64)


@torch.no_grad()
@pytest.mark.parametrize('outputs', [('cam', 'aux_cam', 'seg'), ('seg',)])
def test_maps_take_part_in_the_segmentation(outputs):
    """Scores of all classes from the maps of all classes; those of unlikely tags are excluded."""
    options = dict(size=None, scales=(1.0, 0.5), seg_scales=(1.0,), outputs=outputs)
    seg_maps = dict(weight=3.0, background=0.4, score=0.99)
    plain = composed(test_cfg=dict(options, outputs=('cam', 'seg'), tags='all')).eval()
    model = composed(test_cfg=dict(options, seg_maps=seg_maps)).eval()
    images = pictures(2)
    expected = plain(images, samples(TAGS), mode='predict')
    likely = torch.stack([sample.pred_scores for sample in expected])
    assert likely.gt(0.99).any() and likely.le(0.99).any()
    for sample, raw, tags in zip(model(images, samples(TAGS), mode='predict'), expected, TAGS):
        scores = raw.seg_logits.data.log_softmax(0)
        scores[0] += 3 * 0.4
        scores[1:] += 3 * raw.pred_cams.data
        scores[1:][raw.pred_scores <= 0.99] = -1e4
        torch.testing.assert_close(sample.seg_logits.data, scores)
        assert torch.equal(sample.pred_sem_seg.data[0], scores.argmax(0))
        if 'cam' in outputs:
            kept = tags.nonzero().flatten()
            assert sample.cam_keys == tuple(kept.tolist())
            torch.testing.assert_close(sample.pred_cams.data, raw.pred_cams.data[kept])
    _, keys, cams = model.predict_cams([images], samples(TAGS))
    assert [len(part) for part in cams] == [2, 1] == [len(part) for part in keys]


def test_wrong_options_of_the_segmentation_by_maps():
    with pytest.raises(ValueError, match=r"Composed.test_cfg.seg_maps has no entry \['wait'\]"):
        composed(test_cfg=dict(seg_maps=dict(wait=1.0)))


def test_needs_a_token_per_class():
    with pytest.raises(ValueError, match='3 tokens, 5 classes'):
        build('Composed', backbone=dict(BACKBONE, num_class_tokens=3))
