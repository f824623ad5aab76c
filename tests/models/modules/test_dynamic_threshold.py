"""Thresholds that follow a queue of confidences."""

import pytest
import torch

from mmwsss.functional.mixture import fit_threshold, histogram
from mmwsss.models.modules import DynamicThreshold
from tests.distributed import run_distributed
from tests.golden_tensors import golden_tensors


def confidences(num, seed=0, grid=(4, 5)):
    generator = torch.Generator().manual_seed(seed)
    low, high = (torch.rand(num, *grid, generator=generator) for _ in range(2))
    return torch.where(
        torch.rand(num, *grid, generator=generator) < 0.6, 0.05 + 0.3 * low, 1 - 0.4 * high
    )


def build(mode='kmeans2', **options):
    start = (0.25, 0.7) if mode == 'released' else 0.5
    return DynamicThreshold(
        mode,
        **{
            **dict(start=start, capacity=8, grid=(4, 5), interval=1, min_updates=1, momentum=0.9),
            **options,
        },
    )


@pytest.mark.parametrize('bins', [0, 64])
def test_ring_queue_of_the_released_code(bins):
    golden = golden_tensors('cosa_core', 'dq_')
    threshold = DynamicThreshold(capacity=6, grid=(2, 2), bins=bins)
    threshold.push(golden['init'].view(6, 2, 2).clamp(0, 1))
    for rows in golden['income']:
        threshold.push(rows.view(-1, 2, 2).clamp(0, 1))
    torch.testing.assert_close(threshold.queue, golden['final'].clamp(0, 1).float())
    if bins:
        assert torch.equal(threshold.counts, histogram(threshold.queue, bins))


def test_moving_average_of_the_released_code():
    threshold, fits = build(start=0.25, momentum=0.99), iter((0.3, 0.1, 0.5))
    threshold.fit = lambda rows: (next(fits),)
    values = [float(threshold.update(confidences(1))) for _ in range(3)]
    expected = golden_tensors('cosa_core')['ema_tracker']
    torch.testing.assert_close(
        torch.tensor(values, dtype=torch.float64), expected, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize('mode', ['kmeans2', 'mle2', 'released'])
@pytest.mark.parametrize('bins', [0, 2048])
def test_moves_towards_the_fit(mode, bins):
    threshold, sample = build(mode, bins=bins), confidences(3)
    before = threshold.thresholds.clone()
    fit = torch.tensor(fit_threshold(sample, mode), dtype=torch.float64)
    torch.testing.assert_close(
        threshold.update(sample), before.lerp(fit, 0.1), rtol=0, atol=1e-9 if not bins else 1e-3
    )


def test_waits_and_fits_at_intervals():
    threshold = build(interval=3, min_updates=6)
    seen = [float(threshold.update(confidences(2, seed))) for seed in range(10)]
    assert seen[:5] == [0.5] * 5 and seen[5] != 0.5
    assert seen[5] == seen[6] == seen[7] and seen[8] != seen[7] and seen[9] == seen[8]


def test_queue_forgets_the_oldest():
    threshold = build(bins=32)
    for seed in range(6):
        threshold.update(confidences(3, seed))
    latest = torch.cat([confidences(3, seed) for seed in range(6)])[-8:]
    assert torch.equal(threshold.queue.sort(0).values, latest.flatten(1).sort(0).values)
    assert torch.equal(threshold.counts, histogram(latest, 32))


@pytest.mark.parametrize('value', [0.0, 0.6])
@pytest.mark.parametrize('mode', ['kmeans2', 'released'])
def test_failed_fit_keeps_the_threshold(mode, value):
    """Nothing above the floor; constant maps."""
    threshold = build(mode)
    before = threshold.thresholds.clone()
    assert torch.equal(threshold.update(torch.full((2, 4, 5), value)), before)


def test_state_is_in_the_checkpoint():
    one, other = build(interval=2), build(interval=2)
    for seed in range(7):
        one.update(confidences(3, seed))
    other.load_state_dict(one.state_dict())
    for seed in range(7, 12):
        assert torch.equal(one.update(confidences(3, seed)), other.update(confidences(3, seed)))
    assert torch.equal(one.queue, other.queue) and torch.equal(one.counts, other.counts)


def test_noise_start_fills_the_queue():
    torch.manual_seed(0)
    threshold = build('released', noise_start=True)
    assert (threshold.queue > 0).all() and int(threshold.counts.sum()) == 8 * 20


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(mode='gmm'), 'mode'),
        (dict(mode='released', start=0.5), 'two thresholds'),
        (dict(start=(0.2, 0.7)), 'one threshold'),
        (dict(capacity=0), 'at least 1'),
        (dict(momentum=1.0), 'momentum'),
    ],
)
def test_options(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_other_grid():
    with pytest.raises(ValueError, match='grid of'):
        build().update(torch.rand(1, 4, 4))


@pytest.mark.dist
def test_processes_agree(tmp_path):
    """Each sees what one process sees with all images, with and without a histogram."""
    ranks = run_distributed(_fits_of_rank, 2, tmp_path, start_method='fork')
    whole = [build(bins=bins, capacity=64) for bins in (0, 256)]
    for threshold in whole:
        threshold.push(torch.cat([confidences(4, rank) for rank in range(2)]))
    assert ranks[0] == ranks[1] == pytest.approx([threshold.fit()[0] for threshold in whole])


def _fits_of_rank(rank, world_size):
    thresholds = [build(bins=bins) for bins in (0, 256)]
    for threshold in thresholds:
        threshold.push(confidences(4, rank))
    return [threshold.fit()[0] for threshold in thresholds]
