"""AttentionConsistencyLoss against the golden vectors (ACR Eq. 1-2)."""

import pytest
import torch

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.registry import MODELS
from tests.golden_tensors import golden_tensors


def build(term, **options):
    return MODELS.build(dict(type='mmwsss.AttentionConsistencyLoss', term=term, **options))


@pytest.mark.parametrize(
    'prefix, grid, classes', [('', (3, 4), 1), ('square/', (4, 4), 1), ('mct/', (3, 4), 3)]
)
@pytest.mark.parametrize('term, name', [('activation', 'loss_act'), ('affinity', 'loss_aff')])
def test_golden(prefix, grid, classes, term, name):
    data = golden_tensors('acr_losses', prefix)
    attn1, attn2, expected = data['attn1'], data['attn2'], data[name]
    loss = build(term)
    torch.testing.assert_close(loss(attn1, attn2, grid, 'hflip'), expected, rtol=1e-9, atol=0)
    means = attn1.mean(2), attn2.mean(2)
    torch.testing.assert_close(loss(*means, grid, 'hflip'), expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(loss(*means, grid, ['hflip', 'hflip']), expected, rtol=1e-9, atol=0)
    rows = slice(classes) if term == 'activation' else slice(classes, None)
    slices = [attn[..., rows, classes:] for attn in means]
    torch.testing.assert_close(loss(*slices, grid, 'hflip'), expected, rtol=1e-9, atol=0)
    per_layer = torch.stack(
        [
            loss(*(attn[:, layer, None] for attn in slices), grid, 'hflip')
            for layer in range(slices[0].shape[1])
        ]
    )
    torch.testing.assert_close(per_layer.mean(), expected, rtol=1e-9, atol=0)


def test_golden_gradients():
    """Both views receive gradient; the column and the corner of the class token none."""
    data = golden_tensors('acr_losses')
    attns = [data[name].requires_grad_() for name in ('attn1', 'attn2')]
    total = data['alpha'] * build('activation')(*attns, (3, 4)) + data['beta'] * build('affinity')(
        *attns, (3, 4)
    )
    for grad, name in zip(torch.autograd.grad(total, attns), ('grad_attn1', 'grad_attn2')):
        torch.testing.assert_close(grad, data[name], rtol=1e-9, atol=1e-12)
        assert not grad[..., 0].any()


def test_equal_views_have_no_loss():
    attention = torch.rand(2, 3, 13, 13)
    assert all(
        float(build(term)(attention, attention, (3, 4), ())) == 0
        for term in ('activation', 'affinity')
    )
    assert (
        float(
            build('affinity')(
                torch.full((1, 1, 6, 6), 1 / 6),
                torch.full((1, 1, 24, 24), 1 / 24),
                (2, 3),
                'resize',
                grid_of_view=(4, 6),
            )
        )
        < 1e-7
    )
    assert (
        float(
            build('affinity', mass_preserving=False)(
                torch.full((1, 1, 6, 6), 1 / 6),
                torch.full((1, 1, 24, 24), 1 / 24),
                (2, 3),
                'resize',
                grid_of_view=(4, 6),
            )
        )
        > 0.1
    )


def test_bad_input():
    with pytest.raises(ValueError, match='term must be'):
        build('both')
    with pytest.raises(ValueError, match='too small for a grid of 3x4'):
        build('affinity')(torch.rand(1, 1, 10, 10), torch.rand(1, 1, 10, 10), (3, 4))
    with pytest.raises(ValueError, match='must have one shape'):
        build('activation')(torch.rand(1, 1, 2, 12), torch.rand(1, 1, 1, 12), (3, 4))
