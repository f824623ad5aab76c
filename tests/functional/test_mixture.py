"""Mixtures on a line against scikit-learn's results, and the thresholds of CoSA."""

import pytest
import torch

from mmwsss.functional.mixture import (
    Mixture,
    bin_centres,
    crossing,
    fit_mixture,
    fit_threshold,
    histogram,
    released_thresholds,
    start_percentiles,
    start_spread,
    start_two_means,
)
from tests.golden_tensors import golden_tensors

SAMPLES = 'ABCDE'


@pytest.fixture(scope='module')
def golden():
    return golden_tensors('cosa_gmm')


@pytest.mark.parametrize('name', SAMPLES)
@pytest.mark.parametrize('components', [2, 3])
def test_released_fit(golden, name, components):
    """Parameters, iterations and thresholds of the released code."""
    sample = golden[f'{name}_x']
    kept = sample[sample > 0.05]
    fit, wanted = fit_mixture(kept, start_spread(kept, None, components)), f'{name}_m{components}_'
    assert fit.num_iters == int(golden[wanted + 'n_iter']) and fit.converged
    for value, key in zip(fit, ('means', 'cov', 'weights')):
        torch.testing.assert_close(value, golden[wanted + key], rtol=1e-9, atol=1e-12)
    thresholds = torch.tensor(
        fit_threshold(sample, 'released', components=components), dtype=torch.float64
    )
    torch.testing.assert_close(thresholds, golden[wanted + 'thr'].view(-1), rtol=0, atol=1e-9)


@pytest.mark.parametrize('name', SAMPLES[:4])
def test_two_means_start(golden, name):
    sample = golden[f'{name}_x']
    kept = sample[sample > 0.05]
    start = start_two_means(kept)
    for value, key in zip(start, ('start_means', 'start_var', 'start_pi')):
        torch.testing.assert_close(value, golden[f'{name}_kinit2_{key}'], rtol=1e-10, atol=1e-12)
    fit = fit_mixture(kept, start)
    assert fit.num_iters == int(golden[f'{name}_kinit2_n_iter'])
    for value, key in zip(fit, ('means', 'var', 'pi')):
        torch.testing.assert_close(value, golden[f'{name}_kinit2_{key}'], rtol=1e-9, atol=1e-12)
    assert fit_threshold(sample, 'kmeans2')[0] == pytest.approx(
        float(golden[f'{name}_kinit2_xi']), abs=1e-9
    )
    assert crossing(fit)[1] == bool(golden[f'{name}_kinit2_root'])


@pytest.mark.parametrize('name', SAMPLES[:4])
def test_converged_fit(golden, name):
    assert fit_threshold(golden[f'{name}_x'], 'mle2')[0] == pytest.approx(
        float(golden[f'{name}_mle2_xi']), abs=1e-9
    )


@pytest.mark.parametrize('mode', ['released', 'kmeans2', 'mle2'])
def test_histogram_is_close(mode):
    """Within 1e-3 on a sample of the size of a queue."""
    generator = torch.Generator().manual_seed(0)
    low, high = (torch.rand(40_000, generator=generator) for _ in range(2))
    sample = torch.cat([low**3 * 0.9, 1 - high**2 * 0.6])
    binned = fit_threshold(bin_centres(2048), mode, counts=histogram(sample, 2048))
    assert binned == pytest.approx(fit_threshold(sample, mode), abs=1e-3)


def test_counts_are_repetitions():
    values, counts = (
        torch.tensor([0.1, 0.2, 0.3, 0.7, 0.8, 0.95], dtype=torch.float64),
        torch.tensor([5, 9, 3, 2, 6, 1]),
    )
    repeated = values.repeat_interleave(counts)
    for one, other in zip(start_two_means(values, counts.double()), start_two_means(repeated)):
        assert torch.allclose(torch.as_tensor(one), torch.as_tensor(other))
    assert fit_threshold(values, 'kmeans2', counts=counts) == pytest.approx(
        fit_threshold(repeated, 'kmeans2')
    )
    for start in (start_spread(values), start_percentiles(values)):
        weighted, plain = (
            fit_mixture(values, start, counts=counts.double()),
            fit_mixture(repeated, start),
        )
        assert torch.allclose(weighted.means, plain.means) and weighted.num_iters == plain.num_iters


def test_histogram_holds_everything():
    counts = histogram(torch.tensor([[0.0, 0.5, 1.0], [0.26, 0.24, 0.99]]), 4)
    assert counts.tolist() == [2, 1, 1, 2]
    assert bin_centres(4).tolist() == [0.125, 0.375, 0.625, 0.875]


@pytest.mark.parametrize('values', [[], [0.01, 0.04], [0.4, 0.4, 0.4], [0.7]])
@pytest.mark.parametrize('mode', ['released', 'kmeans2', 'mle2'])
def test_a_fit_without_data_fails_quietly(values, mode):
    assert fit_threshold(torch.tensor(values), mode) is None


def test_fit_that_does_not_converge_fails(golden):
    assert fit_threshold(golden['B_x'], 'kmeans2', max_iters=3) is None


def test_component_without_a_value_fails():
    """As 8 of 300 random samples in the released code, which stops there."""
    generator = torch.Generator().manual_seed(0)
    results = [
        fit_threshold(torch.rand(60, generator=generator) ** 2, 'released') for _ in range(60)
    ]
    assert all(result is None or 0.05 < result[0] and result[1] <= 1 for result in results)
    far = Mixture(torch.tensor([5.0, 0.5, 0.6]), torch.ones(3) * 1e-3, torch.ones(3) / 3)
    assert released_thresholds(far, torch.tensor([0.4, 0.6])) is None


def test_crossing_without_a_root_is_the_middle():
    wide = Mixture(torch.tensor([0.4, 0.5]), torch.tensor([1.0, 1.0]), torch.tensor([0.999, 0.001]))
    assert crossing(wide) == (pytest.approx(0.45), False)
    even = Mixture(torch.tensor([0.8, 0.2]), torch.tensor([0.01, 0.01]), torch.tensor([0.5, 0.5]))
    assert crossing(even) == (pytest.approx(0.5), True)


@pytest.mark.parametrize(
    'options',
    [dict(mode='gmm'), dict(mode='kmeans2', components=3), dict(mode='released', components=4)],
)
def test_wrong_options(options):
    with pytest.raises(ValueError, match='threshold fit is one of|components is 2 or 3'):
        fit_threshold(torch.rand(9), **options)


@pytest.mark.parametrize('mode', ['released', 'kmeans2', 'mle2'])
def test_a_fit_that_does_not_converge_says_nothing(golden, mode):
    assert fit_threshold(golden['B_x'], mode, max_iters=1) is None
