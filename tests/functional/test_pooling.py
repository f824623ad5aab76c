"""Pooling of patch class maps."""

import pytest
import torch

from mmwsss.functional.pooling import (
    global_average_pool,
    global_max_pool,
    global_weighted_ranking_pool,
)
from tests.mctformer_golden import close, golden


def naive_gwrp(values, decay):
    total = weights = 0.0
    for rank, value in enumerate(sorted(values.tolist(), reverse=True)):
        total, weights = total + decay**rank * value, weights + decay**rank
    return total / weights


def test_released_values():
    data = golden('mctformer_plus_model')
    maps = torch.from_numpy(data['sq64/patch_logit_map'])
    for suffix, decay in (('', 0.996), ('_decay0.9', 0.9), ('_decay1.0', 1.0)):
        close(global_weighted_ranking_pool(maps, decay), data[f'sq64/x_patch_logits{suffix}'])
    close(global_max_pool(maps), data['sq64/x_patch_logits_gmp'])
    for size in ('h48w64', 'h70w90', 'sq80', 'h32w128', 'sq70'):
        close(
            global_weighted_ranking_pool(torch.from_numpy(data[f'{size}/patch_logit_map'])),
            data[f'{size}/x_patch_logits'],
        )


@pytest.mark.parametrize('decay', [1.0, 0.996, 0.5, 1e-6])
@pytest.mark.parametrize('shape', [(2, 3, 4, 5), (1, 1, 1, 1), (2, 1, 1, 7), (1, 80, 2, 3)])
def test_naive_loop(shape, decay):
    maps = torch.randn(shape)
    expected = torch.tensor(
        [[naive_gwrp(plane.flatten(), decay) for plane in image] for image in maps]
    )
    torch.testing.assert_close(global_weighted_ranking_pool(maps, decay), expected)


def test_ends_of_the_decay():
    maps = torch.randn(3, 4, 6, 5)
    torch.testing.assert_close(global_weighted_ranking_pool(maps, 1.0), global_average_pool(maps))
    torch.testing.assert_close(
        global_weighted_ranking_pool(maps, 1e-6), global_max_pool(maps), rtol=1e-5, atol=1e-5
    )
    torch.testing.assert_close(global_average_pool(maps), maps.mean((2, 3)))
    torch.testing.assert_close(global_max_pool(maps), maps.amax((2, 3)))


def test_normaliser_of_a_448_image():
    """Computed by hand: 784 positions, sum of the weights 239.20, last weight
    0.0434.
    """
    maps = torch.zeros(1, 2, 28, 28)
    maps[0, 0, 3, 5] = 1
    maps[0, 1] = 1
    maps[0, 1, 9, 9] = 0
    first, all_but_last = global_weighted_ranking_pool(maps)[0].tolist()
    assert 1 / first == pytest.approx(239.20, abs=5e-3)
    assert (1 - all_but_last) / first == pytest.approx(0.0434, abs=5e-5)


def test_gradient_follows_the_rank():
    maps = torch.tensor([[[[3.0, 1.0], [2.0, 0.0]]]], requires_grad=True)
    global_weighted_ranking_pool(maps, 0.5).sum().backward()
    torch.testing.assert_close(maps.grad, torch.tensor([[[[8.0, 2.0], [4.0, 1.0]]]]) / 15)


def test_float32_whatever_the_input_and_the_context():
    maps = torch.randn(2, 3, 28, 28)
    expected = global_weighted_ranking_pool(maps)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(global_weighted_ranking_pool(maps), expected)
    half = maps.bfloat16()
    assert torch.equal(
        global_weighted_ranking_pool(half), global_weighted_ranking_pool(half.float())
    )


def test_weights_made_in_inference_mode_serve_training():
    """A prediction before the first training step of that size."""
    maps = torch.rand(1, 2, 7, 11, requires_grad=True)
    with torch.inference_mode():
        expected = global_weighted_ranking_pool(maps, 0.9871)
    result = global_weighted_ranking_pool(maps, 0.9871)
    result.sum().backward()
    torch.testing.assert_close(result, expected)
    assert maps.grad.any()
