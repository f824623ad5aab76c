"""IRN against plain recomputation with gathered paths and the dense walk."""

import inspect

import pytest
import torch
from mmengine.structures import PixelData
from torch.nn import functional as F

from benchmarks.textbook import affinity as textbook
from mmwsss.functional.affinity import displacement_loss, pair_labels, path_offsets
from mmwsss.models.affinity import IRNet
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

BACKBONE = dict(type='mmwsss.PyramidResNet', depth=18, base_channels=8, stem_channels=8)


def build(**options):
    network = MODELS.build(dict(type='mmwsss.IRNet', backbone=BACKBONE, **options))
    network.init_weights()
    for norm in network.backbone.modules():  # a fresh ResNet ends its blocks with zeros
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.weight, 0.5, 1)
    return network


def samples_of(label):
    samples = [WSSSDataSample() for _ in label]
    for sample, map_ in zip(samples, label):
        sample.set_data(dict(affinity_label=PixelData(data=map_)))
    return samples


def norm(module, x):
    return F.group_norm(
        F.conv2d(x, module[0].weight), module[1].num_groups, module[1].weight, module[1].bias
    )


def up(x, factor):
    return (
        F.interpolate(x, scale_factor=factor, mode='bilinear', align_corners=False)
        if factor > 1
        else x
    )


def test_boundary_head():
    network = build()
    inputs = torch.randn(2, 3, 50, 70)
    maps = network.backbone(inputs)
    edges = [
        up(norm(module, feature_map), factor).relu()[..., :13, :18]
        for module, feature_map, factor in zip(network.edge_embeddings, maps, (1, 1, 2, 4, 4))
    ]
    logits, displacement = network(inputs)
    torch.testing.assert_close(logits, network.edge(torch.cat(edges, 1)))
    assert displacement is None and logits.shape == (2, 1, 13, 18)
    assert [module[1].num_groups for module in network.edge_embeddings] == [4] * 5
    assert network.edge.weight.shape == (1, 160, 1, 1) and network.edge.bias is not None


def test_displacement_head():
    network = build(with_displacement=True).eval()
    head = network.displacement
    assert [module[0].out_channels for module in (*head.fine, *head.coarse, head.merge)] == [
        64,
        128,
        256,
        256,
        256,
        256,
    ]
    assert [module[1].num_groups for module in (*head.fine, *head.coarse, head.merge)] == [
        8,
        16,
        16,
        16,
        16,
        16,
    ]
    inputs = torch.randn(1, 3, 52, 70)
    x1, x2, x3, x4, x5 = network.backbone(inputs)
    one, two, three = (
        norm(module, x).relu() for module, x in zip((*head.fine, head.coarse[0]), (x1, x2, x3))
    )
    four, five = (
        up(norm(module, x), 2).relu()[..., :7, :9] for module, x in zip(head.coarse[1:], (x4, x5))
    )
    merged = up(norm(head.merge, torch.cat([three, four, five], 1)), 2).relu()[..., :13, :18]
    vectors = head.vectors[2](norm(head.vectors[0], torch.cat([one, two, merged], 1)).relu())
    torch.testing.assert_close(network(inputs)[1], vectors)
    head.set_mean([0.5, -1])
    torch.testing.assert_close(
        network(inputs)[1], vectors - torch.tensor([0.5, -1]).view(1, 2, 1, 1)
    )
    torch.testing.assert_close(network.train()(inputs)[1], vectors)


def test_trunk_is_frozen():
    network = build(with_displacement=True).train()
    assert not network.backbone.training and network.edge_embeddings.training
    assert not any(parameter.requires_grad for parameter in network.backbone.parameters())
    label = torch.randint(0, 2, (1, 1, 24, 24))
    sum(
        value
        for name, value in network(
            torch.randn(1, 3, 96, 96), samples_of(label), mode='loss'
        ).items()
        if 'loss' in name
    ).backward()
    assert all(
        parameter.grad is not None
        for name, parameter in network.named_parameters()
        if not name.startswith('backbone')
    )


@pytest.mark.parametrize('with_displacement', [False, True])
def test_loss_is_the_gathered_form(with_displacement):
    network = build(with_displacement=with_displacement)
    inputs, label = torch.randn(2, 3, 96, 104), torch.randint(0, 4, (2, 1, 24, 26))
    label[label == 3] = 255
    losses = network(inputs, samples_of(label), mode='loss')
    logits, displacement = network(inputs)
    affinity = textbook.affinity_edge(logits[:, 0].sigmoid(), 10)
    torch.testing.assert_close(
        losses['loss_affinity'], textbook.affinity_loss(affinity, label[:, 0], 10, path_offsets(10))
    )
    if with_displacement:
        torch.testing.assert_close(
            losses['loss_displacement'], sum(displacement_loss(displacement, label[:, 0], 10)) / 2
        )
    else:
        assert 'loss_displacement' not in losses
    assert pair_labels(label[:, 0], 10).background.shape == (2, 152, 15 * 8)


def test_label_at_the_size_of_the_image_is_sampled_at_cell_centres():
    network = build()
    inputs, label = torch.randn(1, 3, 96, 96), torch.randint(0, 3, (1, 1, 96, 96))
    full, small = (
        network(inputs, samples_of(maps), mode='loss')['loss_affinity']
        for maps in (label, label[..., 2::4, 2::4])
    )
    assert torch.equal(full, small)


@pytest.mark.parametrize('size', [(60, 84), (45, 71), (13, 18)])
@pytest.mark.parametrize('flip, side', [(True, 0), (False, 0), (True, 90)])
def test_propagate_is_the_dense_walk(size, flip, side):
    """Images are padded to a multiple of 16, and to the side of the training crop at least."""
    network = build(min_test_size=side)
    image, cams = torch.randn(3, *size), torch.rand(2, *size)
    height, width = size
    network.eval()
    with torch.no_grad():

        def logits(view):
            right = max(width + -width % 16, 96 if side else 0) - width
            below = max(height + -height % 16, 96 if side else 0) - height
            return network(F.pad(view, (0, right, 0, below))[None])[0][
                0, 0, : (height - 1) // 4 + 1, : (width - 1) // 4 + 1
            ]

        edge = torch.sigmoid(
            (logits(image) + logits(image.flip(-1)).flip(-1)) / 2 if flip else logits(image)
        )
    torch.testing.assert_close(network.train().boundary(image, flip=flip), edge)
    assert network.training
    seeds = F.interpolate(cams[None], size=edge.shape, mode='bilinear', align_corners=False)[0]
    seeds = seeds / seeds.amax((1, 2), keepdim=True)
    walked = textbook.dense_edge_walk(
        edge.double(), seeds.double(), 5, beta=10, log2_steps=8
    ).float()
    walked = F.interpolate(walked[None], scale_factor=4, mode='bilinear', align_corners=False)[
        0, :, :height, :width
    ]
    scores = network.propagate(image, cams, flip=flip)
    assert scores.shape == (3, *size)
    torch.testing.assert_close(scores[1:], walked / walked.max(), rtol=1e-4, atol=1e-5)
    assert (scores[0] == 0.25).all()


def test_propagate_edge_cases():
    network, image = build(), torch.randn(3, 40, 48)
    assert torch.equal(
        network.propagate(image, torch.zeros(0, 40, 48), background=0.3),
        torch.full((1, 40, 48), 0.3),
    )
    zeros = network.propagate(image, torch.zeros(2, 40, 48))
    assert not zeros[1:].any()
    with pytest.raises(ValueError, match='one size'):
        network.propagate(image, torch.rand(2, 48, 40))


def test_predict_writes_class_ids():
    network = build(test_cfg=dict(log2_steps=2, flip=False))
    inputs, cams = torch.randn(1, 3, 40, 48), torch.rand(1, 40, 48)
    (result,) = network(inputs, [WSSSDataSample().set_pred_cams([3], cams)], mode='predict')
    assert set(result.pred_sem_seg.data.unique().tolist()) <= {0, 4}
    assert result.walk_scores.data.shape == (2, 40, 48)


def test_other_trunks_and_bad_options():
    trunk = dict(type='mmwsss.WideResNet38', out_features=('conv3', 'conv4', 'conv5', 'conv6'))
    with torch.device('meta'):
        network = IRNet(trunk, with_displacement=True)
        logits, displacement = network(torch.rand(1, 3, 41, 50))
    assert (
        network.factors == (1, 2, 2, 2)
        and logits.shape == (1, 1, 11, 13)
        and displacement.shape == (1, 2, 11, 13)
    )
    with pytest.raises(ValueError, match='multiples'):
        build(feature_strides=(4, 4, 8, 16, 18))
    with pytest.raises(ValueError, match='dtype'):
        build(dtype='int8')
    with pytest.raises(ValueError, match='increasing'):
        build(with_displacement=True, out_indices=(0, 1))


def test_half_precision_trunk():
    network, other = build(dtype='bf16'), build()
    other.load_state_dict(network.state_dict())
    inputs = torch.randn(1, 3, 48, 48)
    logits = network(inputs)[0]
    assert logits.dtype == torch.float32 and not torch.equal(logits, other(inputs)[0])
    torch.testing.assert_close(logits, other(inputs)[0], rtol=0.1, atol=0.1)


def test_padding_of_test_images():
    """512, the training crop of the released code, unless the config says otherwise."""
    assert inspect.signature(IRNet).parameters['min_test_size'].default == 512
    assert build(min_test_size=500).min_test_size == 512
    image = torch.randn(3, 40, 48)
    near, far = (build(min_test_size=side).boundary(image) for side in (0, 96))
    assert near.shape == far.shape and not torch.allclose(near, far, atol=1e-3)
