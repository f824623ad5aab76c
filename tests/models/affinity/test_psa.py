"""PSA's network: loss and propagation against the released code and plain recomputation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from torch import nn
from torch.nn import functional as F

from mmwsss.checkpoints.resnet38 import translate_psa_keys
from mmwsss.functional.affinity import affinity_l1, affinity_loss
from mmwsss.functional.random_walk import random_walk
from mmwsss.models.affinity import AffinityNet
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

GOLDEN = Path(__file__).parents[2] / 'golden'
BACKBONE = dict(
    type='mmwsss.PyramidResNet', depth=18, base_channels=4, stem_channels=4, frozen_stages=-1
)


def build(**options):
    options = dict(dict(out_indices=(2, 3, 4), embed_channels=(4, 6, 8)), **options)
    network = MODELS.build(dict(type='mmwsss.AffinityNet', backbone=BACKBONE, **options))
    network.init_weights()
    return network


def golden_walk():
    with np.load(GOLDEN / 'psa_walk.npz', allow_pickle=False) as file:
        return {key: torch.from_numpy(file[key]) for key in file}


@pytest.mark.parametrize(
    'name, options', [('mctformer', {}), ('psa', dict(background=('alpha', 16), log2_steps=8))]
)
def test_propagate_is_the_released_walk(monkeypatch, name, options):
    data, network, seen = golden_walk(), build(), []
    monkeypatch.setattr(network, 'features', lambda inputs: seen.append(inputs) or data['feat'])
    image = torch.randn(3, 75, 101)
    scores = network.propagate(image, data['cams'], **options)
    # zeros at the bottom and the right
    assert torch.equal(seen[0], F.pad(image, (0, 3, 0, 5))[None])
    classes = torch.tensor([0, *(data['keys'] + 1)])
    assert torch.equal(classes[scores.argmax(0)], data[f'label_{name}'].long())
    rows = [0, *(int((data['keys'] + 1 == row).nonzero()) + 1 for row in data['rows'][1:])]
    grid = data[f'rw_{name}'].float()[None]
    expected = F.interpolate(grid, scale_factor=8, mode='bilinear', align_corners=False)[
        0, :, :75, :101
    ]
    torch.testing.assert_close(scores[rows], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('size', [(75, 101), (16, 24), (9, 8)])
def test_propagate(size):
    network, image, cams = build(), torch.randn(3, *size), torch.rand(3, *size)
    modes = [module.training for module in network.modules()]
    scores = network.propagate(image, cams)
    assert scores.shape == (4, *size) and not scores.requires_grad
    assert modes == [module.training for module in network.modules()]
    torch.testing.assert_close(network.propagate(image, cams.flip(0))[1:], scores[1:].flip(0))
    torch.testing.assert_close(network.propagate(image, cams[:1])[1], scores[1])
    empty = network.propagate(image, cams[:0])
    assert empty.shape == (1, *size)
    torch.testing.assert_close(empty[0], scores[0])
    with pytest.raises(ValueError, match='one size'):
        network.propagate(image, cams[:, 1:])


def test_constant_maps_stay_on_full_cells():
    network = build(full_border=True)
    scores = network.propagate(torch.randn(3, 96, 80), torch.full((2, 96, 80), 0.7), background=0.2)
    torch.testing.assert_close(
        scores, torch.tensor([0.2, 0.7, 0.7]).view(3, 1, 1).expand(3, 96, 80)
    )


def test_features_are_embedded_feature_maps():
    network = build(stride=16).eval()
    inputs = torch.randn(2, 3, 40, 56)
    embedded = []
    for projection, feature_map in zip(network.projections, network.backbone(inputs)[2:]):
        embedded.append(
            F.elu(
                F.interpolate(
                    F.conv2d(feature_map, projection.weight),
                    size=(3, 4),
                    mode='bilinear',
                    align_corners=False,
                )
            )
        )
    expected = F.elu(F.conv2d(torch.cat(embedded, 1), network.fuse.weight))
    torch.testing.assert_close(network(inputs), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('full_border', [False, True])
def test_loss(full_border):
    network = build(full_border=full_border)
    inputs, label = torch.randn(2, 3, 96, 104), torch.randint(0, 4, (2, 1, 12, 13))
    label[label == 3] = 255
    samples = [WSSSDataSample() for _ in inputs]
    for sample, map_ in zip(samples, label):
        sample.set_data(dict(affinity_label=PixelData(data=map_)))
    losses = network(inputs, samples, mode='loss')
    expected = affinity_loss(
        affinity_l1(network(inputs), 5, full_border), label[:, 0], 5, full_border
    )
    torch.testing.assert_close(losses['loss_affinity'], expected.total)
    torch.testing.assert_close(losses['affinity_negative'], expected.negative)
    losses['loss_affinity'].backward()
    assert all(
        convolution.weight.grad.any() for convolution in (*network.projections, network.fuse)
    )
    assert network.parse_losses(losses)[0].item() == losses['loss_affinity'].item()
    with pytest.raises(ValueError, match='stride 8'):
        network(inputs[..., :96], samples, mode='loss')


def test_predict_writes_class_ids():
    network = build(test_cfg=dict(beta=4, log2_steps=2, background=('alpha', 4)))
    inputs, cams = torch.randn(1, 3, 48, 48), torch.rand(2, 41, 45)
    sample = WSSSDataSample(metainfo=dict(img_shape=(41, 45))).set_pred_cams([6, 14], cams)
    (result,) = network(inputs, [sample], mode='predict')
    scores = network.propagate(
        inputs[0, :, :41, :45], cams, beta=4, log2_steps=2, background=('alpha', 4)
    )
    torch.testing.assert_close(result.walk_scores.data, scores)
    assert torch.equal(result.pred_sem_seg.data[0], torch.tensor([0, 7, 15])[scores.argmax(0)])
    with pytest.raises(ValueError, match='mode'):
        network(inputs, mode='test')


def test_initialisation():
    network = build(embed_channels=(64, 128, 256))
    for projection in network.projections:
        assert projection.weight.std().item() == pytest.approx(
            (2 / projection.in_channels) ** 0.5, rel=0.15
        )
    bound = 4 * (6 / (2 * 448)) ** 0.5
    assert 0.98 * bound < network.fuse.weight.abs().max() <= bound


def test_released_weights_load_by_their_names():
    network = build()
    released = {}
    for name, value in network.state_dict().items():
        head, _, tail = name.partition('.')
        if head == 'projections':
            head, _, tail = f'f8_{int(tail[0]) + 3}', '', 'weight'
        released[f'{dict(fuse="f9").get(head, head)}.{tail}'.removeprefix('backbone.')] = (
            torch.randn_like(value.float()).to(value.dtype)
        )
    assert 'f8_5.weight' in released and 'f9.weight' in released
    nn.ModuleDict(dict(model=network)).load_state_dict(
        {f'model.{name}': value for name, value in released.items()}
    )
    for name, value in translate_psa_keys(released).items():
        assert torch.equal(network.state_dict()[name], value)


def test_default_trunk_and_bad_options(monkeypatch):
    with torch.device('meta'):
        network = AffinityNet()
    assert network.feature_channels == (512, 1024, 4096) and network.fuse.weight.shape == (
        448,
        448,
        1,
        1,
    )
    assert (
        not network.backbone.b2_2.conv_branch2a.weight.requires_grad
        and network.backbone.b3.conv_branch2a.weight.requires_grad
    )
    with pytest.raises(ValueError, match='embed_channels'):
        build(embed_channels=(4, 6))
    monkeypatch.setitem(BACKBONE, 'type', 'mmseg.ResNet')
    with pytest.raises(ValueError, match='feature_channels'):
        build()
    assert build(
        feature_channels=(8, 16, 32), feature_strides=(8, 16, 16), out_indices=(1, 2, 3)
    ).feature_channels == (8, 16, 32)


def test_walk_uses_the_affinity_of_the_features():
    network, image, cams = build().eval(), torch.randn(3, 80, 88), torch.rand(2, 80, 88)
    with torch.no_grad():
        affinity = affinity_l1(network(image[None]), 5)[0]
    seeds = F.avg_pool2d(torch.cat([torch.full((1, 80, 88), 0.39), cams]), 8)
    walked = F.interpolate(
        random_walk(affinity, seeds, 5, beta=8, num_steps=64)[None],
        scale_factor=8,
        mode='bilinear',
        align_corners=False,
    )
    torch.testing.assert_close(network.propagate(image, cams), walked[0])
