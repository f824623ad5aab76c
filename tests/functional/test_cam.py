"""Class activation maps from attention and patch maps."""

import pytest
import torch
from torch.nn import functional as F

from mmwsss.functional.cam import (
    fuse_cams,
    minmax_normalize,
    refine_in_boxes,
    refine_with_affinity,
    resize_maps,
)
from mmwsss.functional.regions import find_regions
from tests.mctformer_golden import close, golden


@pytest.mark.parametrize('size', ['sq64', 'h48w64', 'h70w90', 'sq80', 'h32w128', 'sq70'])
def test_released_maps(size):
    data = {
        key.partition('/')[2]: torch.from_numpy(value)
        for key, value in golden('mctformer_plus_model').items()
        if key.startswith(size)
    }
    maps, attention = data['patch_logit_map'], data['attn_headmean']
    affinity = attention[:, :, 5:, 5:].sum(0)
    for layers in (3, 2):
        class_attention = attention[-layers:, :, :5, 5:].mean(0).reshape(maps.shape)
        for map_type in ('fused', 'mct', 'patchcam'):
            if f'cam_{map_type}_k{layers}' not in data:
                continue
            cams = fuse_cams(class_attention, maps, map_type)
            close(cams, data[f'cam_{map_type}_k{layers}'])
            if layers == 3:
                close(refine_with_affinity(cams, affinity), data[f'refined_{map_type}_k3'])


def test_fusion_of_v2_has_no_root():
    attention, maps = torch.rand(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(
        fuse_cams(attention, maps, sqrt=False), attention * maps.clamp(min=0)
    )
    torch.testing.assert_close(
        fuse_cams(attention, maps, sqrt=True) ** 2, attention * maps.clamp(min=0)
    )
    assert fuse_cams(attention, None, 'mct') is attention


def test_wrong_map_types():
    attention = torch.rand(1, 1, 2, 2)
    with pytest.raises(ValueError, match="'attention'"):
        fuse_cams(attention, attention, 'attention')
    for map_type in ('fused', 'patchcam'):
        with pytest.raises(ValueError, match='needs a patch head'):
            fuse_cams(attention, None, map_type)


def test_refinement_is_a_sum_over_keys():
    cams, affinity = torch.rand(2, 3, 2, 4), torch.rand(2, 8, 8)
    refined = refine_with_affinity(cams, affinity)
    for image in range(2):
        for channel in range(3):
            for query in range(8):
                expected = sum(
                    affinity[image, query, key] * cams[image, channel].flatten()[key]
                    for key in range(8)
                )
                assert refined[image, channel].flatten()[query].item() == pytest.approx(
                    expected.item(), rel=1e-5
                )
    assert refine_with_affinity(cams[:, :0], affinity).shape == (2, 0, 2, 4)


def test_upsampling_keeps_half_pixel_centres():
    cams = torch.tensor([[[[0.0, 1.0]]]])
    torch.testing.assert_close(
        resize_maps(cams, (1, 4)), torch.tensor([[[[0.0, 0.25, 0.75, 1.0]]]])
    )


def test_normalisation():
    cams = torch.tensor(
        [[[1.0, 3.0], [2.0, 1.0]], [[5.0, 5.0], [5.0, 5.0]], [[0.0, 0.0], [0.0, 0.0]]]
    )
    normal = minmax_normalize(cams)
    torch.testing.assert_close(normal[0], torch.tensor([[0.0, 1.0], [0.5, 0.0]]))
    assert torch.equal(normal[1:], torch.zeros(2, 2, 2))  # constant maps vanish, and hold no NaN
    assert minmax_normalize(cams[:0]).shape == (0, 2, 2)
    assert minmax_normalize(torch.full((1, 2, 2), torch.finfo(torch.float32).tiny)).isfinite().all()


@pytest.mark.parametrize('value', [0.0, 0.37, -5.0, 1e-6])
def test_an_interpolated_constant_map_is_zero(value):
    cams = F.interpolate(torch.full((1, 2, 3, 4), value), size=(50, 70), mode='bilinear') * 3
    assert not minmax_normalize(cams, 1e-12).any()


def test_sides_of_the_affinity():
    cams, affinity = torch.rand(2, 3, 2, 4), torch.rand(2, 8, 8)
    expected = torch.einsum('bqk,bck->bcq', affinity, cams.flatten(2))
    torch.testing.assert_close(refine_with_affinity(cams, affinity).flatten(2), expected)
    expected = torch.einsum('bcq,bqk->bck', cams.flatten(2), affinity)
    torch.testing.assert_close(refine_with_affinity(cams, affinity, side='mA').flatten(2), expected)
    with pytest.raises(ValueError, match="side must be 'Am' or 'mA'"):
        refine_with_affinity(cams, affinity, side='AmA')


def test_refinement_in_boxes():
    """CLIP-ES written out for one map: Sinkhorn, mean with the transpose, square, masked keys."""
    generator = torch.Generator().manual_seed(0)
    cams = torch.rand(2, 3, 4, 5, generator=generator).pow(4)
    affinity = torch.rand(2, 20, 20, generator=generator) + 0.1
    found = refine_in_boxes(cams, 7 * affinity, threshold=0.4)
    for image in range(2):
        matrix = affinity[image].double()
        for _ in range(3):
            matrix = matrix / matrix.sum(0)
            matrix = (matrix.T / matrix.sum(1)).T
        matrix = (matrix + matrix.T) / 2
        matrix = matrix @ matrix
        for row in range(3):
            keys = torch.zeros(4, 5)
            for region in find_regions(cams[image, row], 0.4):
                keys[region.cells] = 1
            expected = (matrix * keys.flatten()) @ cams[image, row].flatten().double()
            torch.testing.assert_close(found[image, row].flatten(), expected.float())
    assert 0 < keys.sum() < 20  # the boxes matter
    assert refine_in_boxes(cams[:, :0], affinity).shape == (2, 0, 4, 5)
