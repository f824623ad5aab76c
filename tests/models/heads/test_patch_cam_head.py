"""Class maps of patches."""

import pytest
import torch
from torch.nn import functional as F

from mmwsss.models.heads import PatchCAMHead
from tests.mctformer_golden import close, golden


def test_released_maps_and_scores():
    data = golden('mctformer_plus_model')
    head = PatchCAMHead(5, 32)
    head.load_state_dict(
        {
            f'conv.{name}': torch.from_numpy(data[f'param/head.{name}'])
            for name in ('weight', 'bias')
        }
    )
    tokens = torch.from_numpy(data['sq64/patch_tokens_last'])
    maps = head(tokens.transpose(1, 2).unflatten(2, (4, 4)))
    close(maps, data['sq64/patch_logit_map'])
    close(head.pool(maps), data['sq64/x_patch_logits'])
    for options, suffix in (
        (dict(decay=0.9), '_decay0.9'),
        (dict(pooling='gap'), '_decay1.0'),
        (dict(pooling='gmp'), '_gmp'),
    ):
        close(PatchCAMHead(5, 32, **options).pool(maps), data[f'sq64/x_patch_logits{suffix}'])


def test_convolution_sees_zeros_outside():
    head = PatchCAMHead(2, 3)
    patches = torch.randn(1, 3, 2, 5)
    padded = F.conv2d(F.pad(patches, (1, 1, 1, 1)), head.conv.weight, head.conv.bias)
    torch.testing.assert_close(head(patches), padded)
    assert head(torch.randn(1, 3, 1, 1)).shape == (1, 2, 1, 1)


@pytest.mark.parametrize('wrong', [dict(pooling='sum'), dict(decay=0), dict(decay=1.5)])
def test_wrong_options(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PatchCAMHead(2, 3, **wrong)
