"""Views and their inverses on attention: golden vectors, explicit permutation matrices, random
grids.
"""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmwsss.functional import views
from tests.golden_tensors import golden_tensors

PERMUTATIONS = ('hflip', 'vflip', 'rot90', 'rot180', 'rot270', 'transpose')
GRIDS = ((3, 4), (2, 5), (1, 6), (5, 1), (1, 1), (4, 4))


def attention_of_view(permutation, attention):
    """Attention of the view by an explicit permutation matrix, which is the identity on the class
    tokens.
    """
    size, extra = len(permutation), attention.shape[-1] - len(permutation)
    matrix = torch.zeros(extra + size, extra + size, dtype=attention.dtype)
    matrix[range(extra), range(extra)] = 1
    matrix[extra + torch.arange(size), extra + torch.as_tensor(permutation)] = 1
    return matrix @ attention @ matrix.T


def permutation_of(grid, steps):
    """Original token shown at each token of the view, by numpy."""
    ids = np.arange(grid[0] * grid[1]).reshape(grid)
    for step in steps:
        ids = {
            'hflip': np.fliplr,
            'vflip': np.flipud,
            'rot90': np.rot90,
            'rot180': lambda a: np.rot90(a, 2),
            'rot270': lambda a: np.rot90(a, 3),
            'transpose': np.transpose,
        }[step](ids)
    return ids.reshape(-1).copy()


@pytest.mark.parametrize('grid', [(3, 4), (2, 5)], ids=str)
@pytest.mark.parametrize('view', PERMUTATIONS)
def test_golden_permutations(grid, view):
    data = golden_tensors('acr_transforms', f'{grid[0]}x{grid[1]}/{view}/')
    assert views.view_grid(grid, view) == tuple(data['grid_aug'].tolist())
    torch.testing.assert_close(views.source_tokens(grid, view), data['src'])
    positions = views.token_positions(grid, view)
    torch.testing.assert_close(positions, data['pos'])
    attention, expected = data['attn_aug'], data['attn_inv']
    torch.testing.assert_close(
        views.undo_on_attention(attention, grid, view), expected, rtol=1e-9, atol=0
    )
    torch.testing.assert_close(
        views.gather_tokens(attention, positions, num_class_tokens=1), expected, rtol=1e-9, atol=0
    )
    torch.testing.assert_close(
        views.undo_on_affinity(attention[:, 1:, 1:], grid, view),
        expected[:, 1:, 1:],
        rtol=1e-9,
        atol=0,
    )
    torch.testing.assert_close(
        views.undo_on_keys(attention[:, :1, 1:], grid, view), expected[:, :1, 1:], rtol=1e-9, atol=0
    )


@pytest.mark.parametrize(
    'name, view',
    [
        ('3x4/resize_5x7', 'resize'),
        ('3x4/resize_2x3', 'resize'),
        ('2x5/resize_4x10', 'resize'),
        ('3x4/resize_5x7+hflip', ('resize', 'hflip')),
    ],
)
@pytest.mark.parametrize('mass', [True, False])
def test_golden_resizing(name, view, mass):
    data = golden_tensors('acr_transforms', f'{name}/')
    grid, suffix = (
        tuple(int(side) for side in name.split('/')[0].split('x')),
        '_mass' if mass else '',
    )
    if f'cls_inv{suffix}' not in data:
        pytest.skip('only recorded with the mass kept')
    options = dict(grid_of_view=data['grid_aug'].tolist(), mass_preserving=mass)
    attention, (cls_inv, aff_inv) = (
        data['attn_aug'],
        (data[f'cls_inv{suffix}'], data[f'aff_inv{suffix}']),
    )
    torch.testing.assert_close(
        views.undo_on_keys(attention[:, 0, 1:], grid, view, **options),
        cls_inv,
        rtol=1e-9,
        atol=1e-12,
    )
    torch.testing.assert_close(
        views.undo_on_affinity(attention[:, 1:, 1:], grid, view, **options),
        aff_inv,
        rtol=1e-9,
        atol=1e-12,
    )
    whole = views.undo_on_attention(attention, grid, view, **options)
    torch.testing.assert_close(whole[:, 0, 1:], cls_inv, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(whole[:, 1:, 1:], aff_inv, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(whole[:, 0, 0], attention[:, 0, 0])
    each = views.undo_on_affinity(attention[:, 1:, 1:], grid, [view, view], **options)
    torch.testing.assert_close(each, aff_inv, rtol=1e-9, atol=1e-12)


def test_golden_several_class_tokens():
    data = golden_tensors('acr_transforms', '3x4/hflip_3cls/')
    torch.testing.assert_close(
        views.undo_on_attention(data['attn_aug'], (3, 4), 'hflip', num_class_tokens=3),
        data['attn_inv'],
    )


@pytest.mark.parametrize('grid', GRIDS, ids=str)
@pytest.mark.parametrize('num_steps', [0, 1, 2, 3])
@pytest.mark.parametrize('num_class_tokens', [1, 3])
def test_inverse_is_the_explicit_permutation(grid, num_steps, num_class_tokens):
    """All compositions of up to two steps, some of three, by index and by 4-D view; and back and
    forth on an image.
    """
    every = list(itertools.product(PERMUTATIONS, repeat=num_steps))
    for steps in every if num_steps < 3 else np.random.default_rng(0).permutation(every)[:12]:
        steps = tuple(str(step) for step in steps)
        size = grid[0] * grid[1] + num_class_tokens
        attention = torch.rand(2, 2, size, size, dtype=torch.float64)
        of_view = attention_of_view(permutation_of(grid, steps), attention)
        by_view = views.undo_on_attention(of_view, grid, steps, num_class_tokens=num_class_tokens)
        by_index = views.gather_tokens(
            of_view, views.token_positions(grid, steps), num_class_tokens=num_class_tokens
        )
        torch.testing.assert_close(by_view, attention, rtol=0, atol=1e-12)
        torch.testing.assert_close(by_index, attention, rtol=0, atol=1e-12)
        image = torch.rand(3, *grid)
        seen = views.make_view(image, steps)
        assert tuple(seen.shape[1:]) == views.view_grid(grid, steps)
        torch.testing.assert_close(views.undo_view(seen, grid, steps), image)
        torch.testing.assert_close(
            seen[0].flatten(), image[0].flatten()[views.source_tokens(grid, steps)]
        )


def test_attention_commutes_with_the_view():
    """Softmax attention of permuted tokens is permuted attention: what the regularisation rests
    on.
    """
    query, key = torch.randn(2, 12, 5, dtype=torch.float64)
    attention = (query @ key.T).softmax(-1)
    for view in PERMUTATIONS:
        source = views.source_tokens((3, 4), view)
        of_view = (query[source] @ key[source].T).softmax(-1)
        torch.testing.assert_close(views.undo_on_affinity(of_view, (3, 4), view), attention)


@pytest.mark.parametrize('square', [True, False])
def test_a_view_per_sample(square):
    grid = (3, 3) if square else (2, 4)
    each = (
        [('rot90', 'hflip'), ('vflip',), (), ('transpose',)]
        if square
        else [('hflip',), (), ('rot180',), ('hflip',)]
    )
    size = grid[0] * grid[1]
    affinity, rows = torch.rand(4, 2, size, size), torch.rand(4, 2, 1, size)
    expected = torch.stack(
        [views.undo_on_affinity(one, grid, view) for one, view in zip(affinity, each)]
    )
    torch.testing.assert_close(views.undo_on_affinity(affinity, grid, each), expected)
    expected = torch.stack([views.undo_on_keys(one, grid, view) for one, view in zip(rows, each)])
    torch.testing.assert_close(views.undo_on_keys(rows, grid, each), expected)
    whole = torch.rand(4, size + 1, size + 1)
    by_index = views.gather_tokens(whole, views.token_positions(grid, each), num_class_tokens=1)
    for one, view, result in zip(whole, each, by_index):
        torch.testing.assert_close(views.undo_on_attention(one, grid, view), result)


def test_resized_views_of_a_batch_may_also_be_flipped():
    each = [('resize', 'hflip'), ('resize',)]
    attention = torch.rand(2, 35, 35, dtype=torch.float64)
    undone = views.undo_on_affinity(attention, (3, 4), each, grid_of_view=(5, 7))
    for one, view, result in zip(attention, each, undone):
        torch.testing.assert_close(
            views.undo_on_affinity(one, (3, 4), view, grid_of_view=(5, 7)), result
        )


def test_resizing_is_the_bilinear_matrix_on_both_axes():
    matrix = (
        F.interpolate(
            torch.eye(35, dtype=torch.float64).view(35, 1, 5, 7), size=(3, 4), mode='bilinear'
        )
        .view(35, 12)
        .T
    )
    attention = torch.rand(35, 35, dtype=torch.float64)
    undone = views.undo_on_affinity(
        attention, (3, 4), 'resize', grid_of_view=(5, 7), mass_preserving=False
    )
    torch.testing.assert_close(undone, matrix @ attention @ matrix.T)


def test_mass_of_a_uniform_row_is_kept():
    for grid_of_view in ((6, 8), (2, 2), (5, 7)):
        size = grid_of_view[0] * grid_of_view[1]
        undone = views.undo_on_keys(
            torch.full((1, size), 1 / size), (3, 4), 'resize', grid_of_view=grid_of_view
        )
        torch.testing.assert_close(undone, torch.full((1, 12), 1 / 12))


def test_resize_before_a_rotation():
    """The grid before the resize follows from the steps before it: here transposed."""
    attention = torch.rand(1, 30)
    undone = views.undo_on_keys(
        attention,
        (2, 4),
        ('transpose', 'resize', 'rot90'),
        grid_of_view=(5, 6),
        mass_preserving=False,
    )
    planes = attention.view(1, 1, 5, 6).rot90(-1, (-2, -1))
    expected = (
        F.interpolate(planes, size=(4, 2), mode='bilinear', align_corners=False)
        .transpose(-2, -1)
        .reshape(1, 8)
    )
    torch.testing.assert_close(undone, expected)


def test_gradients_reach_the_view():
    attention = torch.rand(2, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda a: views.undo_on_affinity(a, (2, 3), ('rot90', 'vflip')), attention
    )
    assert torch.autograd.gradcheck(
        lambda a: views.undo_on_affinity(a, (1, 2), 'resize', grid_of_view=(2, 3)), attention
    )


def test_views_of_images():
    images = torch.rand(2, 3, 8, 12)
    torch.testing.assert_close(views.make_view(images, 'hflip'), images.flip(-1))
    assert views.make_view(images, ('resize', 'rot90'), size=(6, 10)).shape == (2, 3, 10, 6)
    torch.testing.assert_close(views.make_view(images, ()), images)
    assert views.make_view(torch.zeros(3, 4, 6, dtype=torch.uint8), 'rot90').shape == (3, 6, 4)


@pytest.mark.parametrize(
    'call, message',
    [
        (lambda: views.view_steps('flip'), "unknown step 'flip'"),
        (lambda: views.view_steps(('resize', 'hflip', 'resize')), 'once'),
        (lambda: views.undo_on_keys(torch.rand(1, 12), (3, 4), 'resize'), 'needs grid_of_view'),
        (
            lambda: views.undo_on_keys(torch.rand(1, 11), (3, 4), 'hflip'),
            '3x4 has 12 patch tokens, the attention 11',
        ),
        (
            lambda: views.undo_on_keys(torch.rand(2, 12), (3, 4), ['hflip']),
            '2 samples need as many views, got 1',
        ),
        (lambda: views.token_positions((3, 4), 'resize'), 'no single source'),
        (lambda: views.make_view(torch.rand(3, 4, 4), 'resize'), 'needs its size'),
        (
            lambda: views.undo_view(torch.rand(4, 4), (3, 4), 'hflip'),
            'is the grid of the view right',
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
