"""Affinities, labels, losses and walks against the released code's results, naive loops and the
dense textbook forms.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmarks.textbook import affinity as textbook
from mmwsss.functional import affinity as A
from mmwsss.functional.random_walk import random_walk

GOLDEN = Path(__file__).parents[1] / 'golden'


def golden(name):
    with np.load(GOLDEN / f'{name}.npz', allow_pickle=False) as file:
        return {key: torch.from_numpy(file[key]) for key in file}


def naive_pairs(height, width, radius, full_border):
    """(P,M) pairs of cells ((y,x), (y,x)), None where the target is outside."""
    reach = radius - 1
    if full_border:
        cells = [(y, x) for y in range(height) for x in range(width)]
    else:
        cells = [(y, x) for y in range(height - reach) for x in range(reach, width - reach)]
    return [
        [
            ((y, x), (y + dy, x + dx)) if y + dy < height and 0 <= x + dx < width else None
            for y, x in cells
        ]
        for dy, dx in A.pair_offsets(radius)
    ]


def random_label(*shape):
    label = torch.randint(0, 4, shape)
    return label.masked_fill(label == 3, 255)


# Pairs


def test_offsets_have_the_released_order():
    assert A.pair_offsets(5) == tuple(map(tuple, golden('psa_labels')['search_dist'].tolist()))
    assert len(A.pair_offsets(10)) == 152
    assert A.pair_offsets(1) == ()
    with pytest.raises(ValueError, match='radius'):
        A.pair_offsets(0)


@pytest.mark.parametrize('radius', [2, 5, 10])
def test_line_paths_are_thick_lines(radius):
    offsets = A.pair_offsets(radius)
    expected = {}
    for dy, dx in offsets:
        expected[dy, dx] = {
            (y, x)
            for y in range(min(0, dy), max(0, dy) + 1)
            for x in range(min(0, dx), max(0, dx) + 1)
            if (dy * x - dx * y) ** 2 / (dy**2 + dx**2) < 1
        }
    paths = A.line_paths(radius)
    assert {path[-1]: set(path) for path in paths} == expected
    assert all(path[0] == (0, 0) for path in paths)
    # stable
    assert A.path_offsets(radius) == tuple(
        sorted(offsets, key=lambda offset: len(expected[offset]))
    )
    if radius == 10:
        assert sum(map(len, paths)) == 2134


def test_textbook_pairs_are_the_released_ones():
    data = golden('psa_labels')
    source, target = textbook.pair_indices((12, 15), 5)
    assert torch.equal(source, data['pair_from_12x15'])
    assert torch.equal(target.view(-1), data['pair_to_12x15'])


# Labels


def test_affinity_labels_of_the_released_code():
    data = golden('psa_labels')
    assert torch.equal(A.affinity_labels(data['la'], data['ha']), data['label'].long())
    assert torch.equal(
        A.affinity_labels(data['la'].half(), data['ha'].half()), data['label'].long()
    )


def test_affinity_labels_merge_rules():
    def maps(*winners):  # one cell a winner; -1 has no score
        scores = torch.zeros(3, 1, len(winners))
        for cell, winner in enumerate(winners):
            if winner >= 0:
                scores[winner, 0, cell] = 0.9
        return scores.repeat_interleave(8, 1).repeat_interleave(8, 2)

    label = A.affinity_labels(maps(0, 0, 1, 2, 1, -1), maps(0, 1, 1, 0, 2, -1))
    assert label.tolist() == [[0, 255, 1, 0, 1, 255]]
    ragged = A.affinity_labels(maps(1, 1)[:, :5, :9], maps(1, 1)[:, :5, :9])
    assert ragged.tolist() == [[1, 1]]
    with pytest.raises(ValueError, match='one shape'):
        A.affinity_labels(torch.zeros(2, 8, 8), torch.zeros(3, 8, 8))


def test_ir_labels_truth_table():
    fg = torch.tensor([[0, 0, 2, 2]], dtype=torch.uint8)
    bg = torch.tensor([[0, 3, 0, 3]], dtype=torch.uint8)
    assert A.ir_labels(fg, bg).tolist() == [[0, 255, 2, 2]]


def test_background_plane():
    cams = torch.rand(3, 4, 5)
    assert torch.equal(A.background_plane(cams, 0.39), torch.full((1, 4, 5), 0.39))
    torch.testing.assert_close(
        A.background_plane(cams, ('alpha', 16)), (1 - cams.max(0, keepdim=True).values) ** 16
    )
    assert torch.equal(A.background_plane(cams[:0], ('alpha', 4)), torch.ones(1, 4, 5))
    with pytest.raises(ValueError, match='alpha'):
        A.background_plane(cams, ('beta', 4))


@pytest.mark.parametrize('prefix', ['', 'rand_'])
def test_pair_labels_of_the_released_code(prefix):
    data = golden('psa_labels')
    labels = A.pair_labels(data[f'{prefix}label'], 5)
    for mine, name in zip(labels, ('bg', 'fg', 'neg')):
        assert torch.equal(mine, data[prefix + name].bool())


@pytest.mark.parametrize('shape', [(7, 12), (3, 4), (1, 1)])
@pytest.mark.parametrize('full_border', [False, True])
def test_pair_labels_naive(shape, full_border):
    label = random_label(2, *shape)
    labels = A.pair_labels(label, 4, full_border)
    pairs = naive_pairs(*shape, 4, full_border)
    assert labels.background.shape == (2, len(pairs), len(pairs[0]))
    for image in range(2):
        for p, row in enumerate(pairs):
            for m, pair in enumerate(row):
                one, two = (int(label[image][cell]) for cell in pair) if pair else (255, 255)
                sure = one != 255 and two != 255
                expected = (sure and one == two == 0, sure and one == two != 0, sure and one != two)
                assert tuple(bool(kind[image, p, m]) for kind in labels) == expected
    assert A.pair_counts(label, 4, full_border).tolist() == [int(kind.sum()) for kind in labels]


def test_pair_labels_in_path_order():
    label = random_label(1, 12, 21)
    order = [A.pair_offsets(5).index(offset) for offset in A.path_offsets(5)]
    for mine, other in zip(
        A.pair_labels(label, 5, offsets=A.path_offsets(5)), A.pair_labels(label, 5)
    ):
        assert torch.equal(mine, other[:, order])


# Affinities


def test_affinity_l1_of_the_released_code():
    data = golden('psa_loss')
    torch.testing.assert_close(
        A.affinity_l1(data['feat'], 5).float(), data['aff'], rtol=1e-6, atol=1e-7
    )
    assert A.affinity_l1(data['feat'].half(), 5).dtype == torch.float32


@pytest.mark.parametrize('shape', [(6, 9), (2, 9), (3, 3)])
@pytest.mark.parametrize('full_border', [False, True])
def test_affinity_l1_naive(shape, full_border):
    features = torch.rand(2, 5, *shape, dtype=torch.float64, requires_grad=True)
    affinity = A.affinity_l1(features, 3, full_border)
    pairs = naive_pairs(*shape, 3, full_border)
    assert affinity.shape == (2, len(pairs), len(pairs[0]))
    data = features.detach().numpy()
    expected = np.zeros(affinity.shape)
    for p, row in enumerate(pairs):
        for m, pair in enumerate(row):
            if pair:
                (y, x), (v, u) = pair
                expected[:, p, m] = np.exp(-np.abs(data[:, :, y, x] - data[:, :, v, u]).mean(1))
    np.testing.assert_allclose(affinity.detach().numpy(), expected, atol=1e-12)
    assert torch.autograd.gradcheck(
        lambda f: A.affinity_l1(f, 3, full_border), (features,), fast_mode=True
    )


@pytest.mark.parametrize('full_border', [False, True])
def test_affinity_edge_naive(full_border):
    edge = torch.rand(2, 7, 10, dtype=torch.float64, requires_grad=True)
    affinity = A.affinity_edge(edge, 4, full_border)
    cells = (
        [(y, x) for y in range(7) for x in range(10)]
        if full_border
        else [(y, x) for y in range(4) for x in range(3, 7)]
    )
    data = edge.detach().numpy()
    expected = np.zeros(affinity.shape)
    for p, path in enumerate(A.line_paths(4)):
        dy, dx = path[-1]
        for m, (y, x) in enumerate(cells):
            if y + dy < 7 and 0 <= x + dx < 10:
                expected[:, p, m] = 1 - np.max([data[:, y + v, x + u] for v, u in path], axis=0)
    np.testing.assert_allclose(affinity.detach().numpy(), expected, atol=1e-12)
    assert torch.autograd.gradcheck(
        lambda e: A.affinity_edge(e, 4, full_border), (edge,), fast_mode=True
    )


def test_affinity_edge_is_the_gathered_form():
    edge = torch.rand(2, 24, 31, requires_grad=True)
    mine, other = A.affinity_edge(edge, 10), textbook.affinity_edge(edge, 10)
    assert torch.equal(mine, other)
    weights = torch.rand_like(mine)
    gradients = [torch.autograd.grad((values * weights).sum(), edge)[0] for values in (mine, other)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_affinity_edge_on_constant_and_small_maps():
    edge = torch.full((1, 12, 21), 0.25, requires_grad=True)
    affinity = A.affinity_edge(edge, 5)
    assert torch.equal(affinity, torch.full_like(affinity, 0.75))
    affinity.sum().backward()
    assert edge.grad.sum().item() == pytest.approx(-affinity.numel())  # ties: one cell a path
    assert A.affinity_edge(torch.rand(1, 4, 30), 5).shape == (1, 34, 0)
    assert A.affinity_edge(torch.rand(1, 2, 3), 5, True).shape == (1, 34, 6)


# Losses


def test_affinity_loss_of_the_released_code():
    data = golden('psa_loss')
    features = data['feat'].clone().requires_grad_()
    loss = A.affinity_loss(A.affinity_l1(features, 5), data['labels'], 5)
    for mine, name in zip(loss, ('loss', 'bg_loss', 'fg_loss', 'neg_loss')):
        assert mine.item() == pytest.approx(data[name].item(), rel=1e-9)
    loss.total.backward()
    torch.testing.assert_close(features.grad.float(), data['grad_feat'], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize('radius, order', [(5, A.pair_offsets), (10, A.path_offsets)])
def test_affinity_loss_is_the_gathered_form(radius, order):
    label = random_label(2, 23, 31)
    affinity = torch.rand(2, *textbook.pair_indices((23, 31), radius)[1].shape, requires_grad=True)
    mine = A.affinity_loss(affinity, label, radius, offsets=order(radius)).total
    other = textbook.affinity_loss(affinity, label, radius, order(radius))
    torch.testing.assert_close(mine, other)
    torch.testing.assert_close(*(torch.autograd.grad(loss, affinity)[0] for loss in (mine, other)))


def test_affinity_loss_without_pairs():
    affinity = torch.rand(1, 34, 60, requires_grad=True)
    loss = A.affinity_loss(affinity, torch.full((1, 14, 14), 255), 5)
    loss.total.backward()
    assert loss.total.item() == 0 and not affinity.grad.any()
    assert A.affinity_loss(torch.rand(1, 34, 0), random_label(1, 3, 3), 5).total.item() == 0


def test_full_border_loss_ignores_what_is_outside():
    features, label = torch.rand(1, 4, 9, 11), random_label(1, 9, 11)
    labels = A.pair_labels(label, 5, True)
    affinity = A.affinity_l1(features, 5, True)
    expected = -(affinity + 1e-5).log()[labels.foreground].sum() / (labels.foreground.sum() + 1e-5)
    torch.testing.assert_close(A.affinity_loss(affinity, label, 5, True).foreground, expected)


def test_averaged_counts_give_the_loss_of_all_ranks():
    label = torch.stack([random_label(14, 14), random_label(14, 14).clamp_max(1)])
    affinity = torch.rand(2, 34, 60, dtype=torch.float64, requires_grad=True)
    whole = A.affinity_loss(affinity, label, 5).total
    counts = A.pair_counts(label, 5) / 2
    ranks = (
        sum(
            A.affinity_loss(affinity[i : i + 1], label[i : i + 1], 5, counts=counts).total
            for i in range(2)
        )
        / 2
    )
    torch.testing.assert_close(ranks, whole, rtol=1e-6, atol=0)


def test_displacement_loss_naive():
    displacement = torch.randn(2, 2, 12, 15, dtype=torch.float64, requires_grad=True)
    label = random_label(2, 12, 15)
    labels = A.pair_labels(label, 4, offsets=A.path_offsets(4))
    foreground = background = torch.zeros((), dtype=torch.float64)
    for p, (dy, dx) in enumerate(A.path_offsets(4)):
        for m, (y, x) in enumerate((y, x) for y in range(9) for x in range(3, 12)):
            difference = displacement[:, :, y, x] - displacement[:, :, y + dy, x + dx]
            expected = torch.tensor([dy, dx], dtype=torch.float64)
            foreground = (
                foreground
                + ((difference - expected).abs().sum(1) * labels.foreground[:, p, m]).sum()
            )
            background = background + (difference.abs().sum(1) * labels.background[:, p, m]).sum()
    naive = (
        foreground / (2 * labels.foreground.sum() + 1e-5),
        background / (2 * labels.background.sum() + 1e-5),
    )
    mine = A.displacement_loss(displacement, label, 4)
    torch.testing.assert_close(torch.stack(mine), torch.stack(naive))
    torch.testing.assert_close(
        *(torch.autograd.grad(sum(loss), displacement)[0] for loss in (mine, naive))
    )


def saved_bytes(function):
    """Memory that the graph of ``function()`` keeps for the backward pass."""
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: saved.append(tensor) or tensor, lambda tensor: tensor
    ):
        graph = function()
    assert graph.requires_grad
    return sum(
        {
            tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
            for tensor in saved
        }.values()
    )


def test_little_is_kept_for_the_backward_pass():
    features, label = torch.rand(1, 64, 24, 24, requires_grad=True), random_label(1, 24, 24)
    mine = saved_bytes(lambda: A.affinity_loss(A.affinity_l1(features, 5), label, 5).total)
    assert mine < 0.1 * saved_bytes(
        lambda: textbook.affinity_loss(textbook.affinity_l1(features, 5), label, 5)
    )
    edge, label, order = (
        torch.rand(1, 40, 40, requires_grad=True),
        random_label(1, 40, 40),
        A.path_offsets(10),
    )
    mine = saved_bytes(
        lambda: A.affinity_loss(A.affinity_edge(edge, 10), label, 10, offsets=order).total
    )
    assert mine < 0.2 * saved_bytes(
        lambda: textbook.affinity_loss(textbook.affinity_edge(edge, 10), label, 10, order)
    )


@pytest.mark.parametrize('size', [(16, 24), (17, 30)])
def test_means_of_blocks_whose_rows_come_first(size):
    maps = torch.rand(*size, 2, 3).half()
    expected = A.block_average(maps.permute(2, 3, 0, 1), 8)
    torch.testing.assert_close(A.block_average_first(maps, 8).permute(2, 3, 0, 1), expected)
    assert A.block_average_first(maps.double(), 8).dtype == torch.float64


# Random walk


@pytest.mark.parametrize(
    'name, background, steps', [('mctformer', 0.39, 64), ('psa', ('alpha', 16), 256)]
)
def test_walk_of_the_released_code(name, background, steps):
    data = golden('psa_walk')
    planes = torch.zeros(21, 75, 101)
    planes[data['keys'] + 1] = data['cams']
    planes[0] = A.background_plane(data['cams'], background)
    pooled = A.block_average(planes, 8)
    if name == 'mctformer':
        torch.testing.assert_close(pooled, data['pooled_mctformer'])
    walked = random_walk(A.affinity_l1(data['feat'], 5)[0], pooled, 5, beta=8, num_steps=steps)
    torch.testing.assert_close(
        walked[data['rows']].double(), data[f'rw_{name}'], rtol=1e-4, atol=5e-6
    )
    label = F.interpolate(walked[None], scale_factor=8, mode='bilinear', align_corners=False)[
        0
    ].argmax(0)[:75, :101]
    assert torch.equal(label, data[f'label_{name}'].long())


@pytest.mark.parametrize('shape', [(9, 14), (5, 9), (13, 8), (3, 20)])
def test_walk_is_the_dense_one(shape):
    features, x = (
        torch.rand(1, 6, *shape, dtype=torch.float64),
        torch.rand(3, *shape, dtype=torch.float64),
    )
    affinity = A.affinity_l1(features, 5)[0]
    dense = textbook.dense_random_walk(affinity, x, 5, beta=4, log2_steps=4)
    torch.testing.assert_close(
        random_walk(affinity, x, 5, beta=4, num_steps=16), dense, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize('shape', [(11, 14), (3, 6), (1, 9)])
def test_edge_walk_is_the_dense_one(shape):
    edge, x = torch.rand(shape, dtype=torch.float64), torch.rand(2, *shape, dtype=torch.float64)
    dense = textbook.dense_edge_walk(edge, x, 5, beta=3, log2_steps=5)
    affinity = A.affinity_edge(edge[None], 5, full_border=True)[0]
    mine = random_walk(
        affinity,
        x * (1 - edge),
        5,
        beta=3,
        num_steps=32,
        full_border=True,
        offsets=A.path_offsets(5),
    )
    torch.testing.assert_close(mine, dense, rtol=0, atol=1e-12)


@pytest.mark.parametrize('full_border', [False, True])
def test_walk_properties(full_border):
    affinity = A.affinity_l1(torch.rand(2, 6, 10, 13), 5, full_border)
    x = torch.rand(2, 4, 10, 13)

    def walk(affinity, x):
        return random_walk(affinity, x, 5, beta=8, num_steps=32, full_border=full_border)

    walked = walk(affinity, x)
    # constant planes stay
    torch.testing.assert_close(walk(affinity, torch.full_like(x, 0.3)), torch.full_like(x, 0.3))
    assert torch.equal(walk(affinity, x.flip(1)), walked.flip(1))  # classes do not mix
    torch.testing.assert_close(walk(affinity[1], x[1]), walked[1])  # nor do images
    assert walk(affinity, x[:, :0]).shape == (2, 0, 10, 13)
    assert walk(affinity, x.half()).dtype == torch.float16
    with pytest.raises(ValueError, match='fit'):
        walk(affinity[0], x)


def test_walk_without_neighbours_keeps_the_seed():
    x = torch.rand(3, 4, 6)
    assert torch.equal(random_walk(torch.rand(34, 0), x, 5, beta=8, num_steps=8), x)
    closed = torch.zeros(34, 24)
    assert torch.equal(random_walk(closed, x, 5, beta=8, num_steps=8, full_border=True), x)
    with pytest.raises(ValueError, match='from cells'):
        random_walk(torch.rand(34, 5), x, 5, beta=8, num_steps=8)
