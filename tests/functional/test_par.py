"""Pixel-adaptive refinement."""

import math

import pytest
import torch

from mmwsss.functional import par
from mmwsss.functional.par import (
    neighbour_offsets,
    par_propagate,
    par_weights,
    pixel_adaptive_refinement,
    position_weights,
)
from tests.golden_tensors import golden_tensors

TOLERANCE = dict(rtol=1e-5, atol=2e-6)


def test_released_module_of_toco():
    data = golden_tensors('par', 'toco/')
    for num_iters in (1, 10):
        refined = pixel_adaptive_refinement(data['image'], data['mask'], num_iters=num_iters)
        torch.testing.assert_close(refined, data[f'out_iter{num_iters}'], **TOLERANCE)
    weights = par_weights(data['image'])
    torch.testing.assert_close(
        weights[:, :, 5, 7].double(), data['weights_row'], rtol=1e-4, atol=1e-7
    )


def test_released_module_of_mcc():
    data = golden_tensors('par', 'mcc/')
    torch.testing.assert_close(
        pixel_adaptive_refinement(data['img'], data['masks']), data['refined'], **TOLERANCE
    )
    torch.testing.assert_close(
        pixel_adaptive_refinement(data['img'], data['masks'], (1, 2), 1),
        data['refined_it1_d12'],
        **TOLERANCE,
    )
    torch.testing.assert_close(
        pixel_adaptive_refinement(data['const_img'], data['const_masks']),
        data['const_refined'],
        **TOLERANCE,
    )
    torch.testing.assert_close(
        torch.tensor(position_weights()), data['pos_softmax'], rtol=1e-5, atol=1e-8
    )


@pytest.mark.parametrize('case', ['small', 'full'])
def test_float64_loops_of_aream(case):
    data = golden_tensors('par', f'aream/{case}/')
    dilations = tuple(data['dilations'].tolist())
    refined = pixel_adaptive_refinement(
        data['image'][None], data['mask'][None], dilations, int(data['iters'])
    )
    torch.testing.assert_close(refined[0], data['refined'], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        par_weights(data['image'][None], dilations).sum(1)[0],
        data['kernel_sum'],
        rtol=1e-12,
        atol=0,
    )


def naive_weights(image, dilations):
    """(S,H,W) of an image (3,H,W), pixel by pixel in float64."""
    _, height, width = image.shape
    offsets = neighbour_offsets(dilations)
    distance = torch.tensor([math.hypot(*offset) for offset in offsets], dtype=torch.float64)
    place = (-((distance / (distance.std() + 1e-8) / 0.3) ** 2)).softmax(0)
    result = torch.empty(len(offsets), height, width, dtype=torch.float64)
    for y in range(height):
        for x in range(width):
            around = torch.stack(
                [
                    image[:, min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)]
                    for dy, dx in offsets
                ],
                1,
            )
            color = -(
                ((around - image[:, y, x, None]).abs() / (around.std(1, keepdim=True) + 1e-8) / 0.3)
                ** 2
            )
            result[:, y, x] = color.mean(0).softmax(0) + 0.01 * place
    return result


@pytest.mark.parametrize('size', [(7, 10), (1, 9), (5, 1)])
def test_naive_loops(size):
    dilations = (1, 3)
    image, mask = (
        torch.rand(3, *size, dtype=torch.float64),
        torch.rand(2, *size, dtype=torch.float64),
    )
    weights = naive_weights(image, dilations)
    torch.testing.assert_close(
        par_weights(image[None], dilations)[0], weights, rtol=1e-10, atol=1e-12
    )
    expected = torch.zeros_like(mask)
    for index, (dy, dx) in enumerate(neighbour_offsets(dilations)):
        for y in range(size[0]):
            for x in range(size[1]):
                neighbour = mask[
                    :, min(max(y + dy, 0), size[0] - 1), min(max(x + dx, 0), size[1] - 1)
                ]
                expected[:, y, x] += weights[index, y, x] * neighbour
    torch.testing.assert_close(
        pixel_adaptive_refinement(image[None], mask[None], dilations, 1)[0],
        expected,
        rtol=1e-10,
        atol=1e-12,
    )


def test_accelerator_path_gives_the_same():
    images, masks = torch.rand(2, 3, 20, 30), torch.rand(2, 4, 20, 30)
    weights = par_weights(images)
    shifted = par._propagate_shifts(weights, masks, par.DILATIONS, 4)
    torch.testing.assert_close(shifted, par_propagate(weights, masks, num_iters=4), **TOLERANCE)


def test_blocks_of_rows_do_not_matter(monkeypatch):
    images = torch.rand(2, 3, 23, 30)
    weights = par_weights(images)
    monkeypatch.setattr(par, '_CPU_BLOCK', 1)
    torch.testing.assert_close(par_weights(images), weights, rtol=1e-5, atol=1e-6)


def test_mass_grows_by_one_percent_and_can_be_kept():
    images, ones = torch.rand(1, 3, 12, 15), torch.ones(1, 1, 12, 15)
    torch.testing.assert_close(
        pixel_adaptive_refinement(images, ones), ones * 1.01**10, rtol=1e-5, atol=0
    )
    torch.testing.assert_close(
        pixel_adaptive_refinement(images, ones, normalize_kernel=True), ones, rtol=1e-5, atol=0
    )


def test_scale_of_the_image_cancels():
    images, masks = torch.rand(1, 3, 12, 15), torch.rand(1, 2, 12, 15)
    refined = pixel_adaptive_refinement(images, masks)
    torch.testing.assert_close(
        pixel_adaptive_refinement(images * 255, masks), refined, rtol=1e-3, atol=1e-4
    )


def test_channels_and_images_are_independent():
    images, masks = torch.rand(3, 3, 10, 12), torch.rand(3, 4, 10, 12)
    refined = pixel_adaptive_refinement(images, masks)
    torch.testing.assert_close(
        refined[1:2, 2:3], pixel_adaptive_refinement(images[1:2], masks[1:2, 2:3]), **TOLERANCE
    )


def test_edges():
    images = torch.rand(2, 3, 8, 9)
    assert pixel_adaptive_refinement(images, torch.rand(2, 0, 4, 4)).shape == (2, 0, 8, 9)
    assert pixel_adaptive_refinement(images[:0], torch.rand(0, 2, 4, 4)).shape == (0, 2, 8, 9)
    masks = torch.rand(2, 3, 8, 9)
    untouched = pixel_adaptive_refinement(images, masks, num_iters=0)
    assert torch.equal(untouched, masks) and untouched is not masks
    assert pixel_adaptive_refinement(images.half(), masks.half()).dtype == torch.float32
    assert not pixel_adaptive_refinement(images, masks.requires_grad_()).requires_grad
    assert pixel_adaptive_refinement(
        torch.full((1, 3, 1, 1), 7.0), torch.ones(1, 1, 1, 1), num_iters=1
    ).item() == pytest.approx(1.01)
    with pytest.raises(ValueError, match='expected images'):
        pixel_adaptive_refinement(images, masks[:1])
    with pytest.raises(ValueError, match='need weights of shape'):
        par_propagate(torch.rand(2, 8, 8, 9), masks)
