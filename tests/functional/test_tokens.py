"""Class tokens and position grids."""

import pytest
import torch
from torch.nn import functional as F

from mmwsss.functional.tokens import repeat_class_token, resize_grid, resize_position_embedding
from tests.mctformer_golden import close, golden

SIZES = {'sq64': (4, 4), 'h48w64': (3, 4), 'h70w90': (4, 5), 'sq80': (5, 5), 'h32w128': (2, 8)}


@pytest.mark.parametrize('size', SIZES)
def test_released_interpolation(size):
    data = golden('mctformer_plus_model')
    grid = torch.from_numpy(data['param/pos_embed_pat'])
    close(resize_grid(grid, ((4, 4), SIZES[size])), data[f'{size}/pos_embed_pat'])


def test_nearest_copies_blocks():
    grid = torch.arange(6.0).reshape(1, 6, 1)
    resized = resize_grid(grid, ((2, 3), (4, 9)), mode='nearest').reshape(4, 9)
    for y in range(4):
        for x in range(9):
            assert resized[y, x] == grid[0, y // 2 * 3 + x // 3]
    with pytest.raises(ValueError, match='2x3 -> 4x8'):
        resize_grid(grid, ((2, 3), (4, 8)), mode='nearest')


def cubic(t, a=-0.75):
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def naive_bicubic(plane, scale, size):
    """Separable bicubic sampling with step 1/scale and repeated borders."""
    for axis in (0, 1):
        rows = []
        for index in range(size[axis]):
            source = (index + 0.5) / scale[axis] - 0.5
            first = int(torch.tensor(source).floor()) - 1
            rows.append(
                sum(
                    cubic(source - tap) * plane[min(max(tap, 0), len(plane) - 1)]
                    for tap in range(first, first + 4)
                )
            )
        plane = torch.stack(rows).T
    return plane


@pytest.mark.parametrize('offset', [0.0, 0.1])
@pytest.mark.parametrize('new', [(4, 4), (6, 5), (3, 9)])
def test_sampling_step_of_v1_and_v2(new, offset):
    """The released V1 and V2 sample every old/(new + 0.1) cells; + samples every old/new cells."""
    grid = torch.randn(1, 16, 2)
    resized = resize_grid(grid, ((4, 4), new), offset=offset)
    for channel in range(2):
        plane = grid[0, :, channel].reshape(4, 4)
        expected = naive_bicubic(plane, [(side + offset) / 4 for side in new], new)
        torch.testing.assert_close(
            resized[0, :, channel].reshape(new), expected, rtol=1e-4, atol=1e-5
        )
    if offset and new == (4, 4):
        assert not torch.allclose(resized, grid, atol=1e-3)


def test_same_size_without_offset_is_the_identity():
    grid = torch.randn(1, 12, 3)
    torch.testing.assert_close(resize_grid(grid, ((3, 4), (3, 4))), grid)


def test_a_grid_of_61_patches():
    """Scale factors would round 28 * (61/28) down to 60."""
    assert resize_grid(torch.randn(1, 784, 1), ((28, 28), (61, 61))).shape == (1, 3721, 1)
    assert resize_grid(torch.randn(1, 196, 1), ((14, 14), (61, 43)), offset=0.1).shape == (
        1,
        61 * 43,
        1,
    )


def test_extra_rows_stay():
    embedding = torch.randn(1, 3 + 4, 5)
    resized = resize_position_embedding(embedding, 3, ((2, 2), (3, 4)))
    assert torch.equal(resized[:, :3], embedding[:, :3])
    planes = embedding[:, 3:].transpose(1, 2).reshape(1, 5, 2, 2)
    expected = (
        F.interpolate(planes, (3, 4), mode='bicubic', align_corners=False)
        .flatten(2)
        .transpose(1, 2)
    )
    torch.testing.assert_close(resized[:, 3:], expected)


def test_half_precision_stays():
    assert resize_grid(torch.randn(1, 4, 2).bfloat16(), ((2, 2), (3, 3))).dtype == torch.bfloat16


def test_repeated_token():
    token = torch.randn(1, 1, 6)
    repeated = repeat_class_token(token, 4)
    assert repeated.shape == (1, 4, 6)
    assert all(torch.equal(row, token[0, 0]) for row in repeated[0])
    repeated[0, 0] = 0
    assert repeated[0, 1].equal(token[0, 0])
