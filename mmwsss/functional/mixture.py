"""One-dimensional Gaussian mixtures, and the background thresholds of CAMs that CoSA derives from
them (CoSA Eq. 6).

All functions take values (N,), or a histogram of values (N,) with their ``counts`` (N,), and
compute in float64.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

MODES = ('released', 'kmeans2', 'mle2')
REGULARIZATION = 1e-6  # added to every variance
GROUP = 64


class Mixture(NamedTuple):
    """M Gaussians on a line, float64."""

    means: torch.Tensor  # (M,)
    variances: torch.Tensor  # (M,)
    weights: torch.Tensor  # (M,), sum 1
    num_iters: int = 0
    converged: bool = False


def fit_threshold(
    values: Tensor,
    mode: str = 'kmeans2',
    *,
    counts: Tensor | None = None,
    floor: float = 0.05,
    components: int | None = None,
    max_iters: int | None = None,
) -> tuple[float, ...] | None:
    """Thresholds between background and foreground scores.

    - ``'kmeans2'``: two Gaussians from an exact two-means split, EM to 1e-3, threshold where both
      are equally likely. The published histograms fit this best.
    - ``'mle2'``: the same fit, run to convergence (1e-8) from the 10th and the 95th percentile.
    - ``'released'``: three Gaussians of unit variance at minimum, median and maximum, EM to 1e-3,
      which then usually stops at the third iteration; thresholds are the largest value of the first
      component and the smallest of the third. It is never warm-started, because its result depends
      on the start.

    Args:
        values (Tensor): Scores in [0,1], any shape; those at most ``floor`` are left out.
        mode (str): See above.
        counts (Tensor, optional): Number of occurrences of each value, for ascending values such as
            :func:`bin_centres`: a histogram of 1024 bins gives thresholds within 1e-3 at a fraction
            of the cost.
        floor (float): Scores up to this value are background anyway.
        components (int, optional): ``'released'`` with 2 returns one threshold, the largest value
            of the first component.
        max_iters (int, optional): Iterations of EM; default 100, for ``'mle2'`` 10,000.

    Returns:
        tuple[float] | None: One threshold; two (low, high) for ``'released'``. None where the fit
        fails: no or constant values, EM that does not converge, or a component without values.

    Raises:
        ValueError: The mode is unknown.
    """
    if mode not in MODES:
        raise ValueError(f'the threshold fit is one of {MODES}, got {mode!r}')
    if components is not None and (mode != 'released' or components not in (2, 3)):
        raise ValueError(
            f"components is 2 or 3, of mode 'released'; got {components} with mode {mode!r}"
        )
    values = values.detach().flatten()
    if counts is None:
        values = values[values > floor].double()
    else:
        counts = counts[int(torch.searchsorted(values, floor, right=True)) :]
        chosen = counts.nonzero()[:, 0]
        values, counts = (
            values[len(values) - len(counts) :][chosen].double(),
            counts[chosen].double(),
        )
    if len(values) < 2 or float(values.amin()) == float(values.amax()):
        return None
    if mode == 'released':
        fit = fit_mixture(
            values,
            start_spread(values, counts, components or 3),
            counts=counts,
            max_iters=max_iters or 100,
        )
        return released_thresholds(fit, values) if fit.converged else None
    if mode == 'kmeans2':
        fit = fit_mixture(
            values, start_two_means(values, counts), counts=counts, max_iters=max_iters or 100
        )
    else:
        fit = fit_mixture(
            values,
            start_percentiles(values, counts),
            counts=counts,
            tol=1e-8,
            max_iters=max_iters or 10_000,
        )
    return (crossing(fit)[0],) if fit.converged else None


def histogram(values: Tensor, bins: int) -> Tensor:
    """Counts (bins,) int64 of values in [0,1] in equal bins; 1 belongs to the last."""
    index = bin_of(values.flatten(), bins)
    if index.device.type == 'cpu':
        return torch.bincount(index, minlength=bins)
    # bincount would read the largest value from an accelerator
    return index.new_zeros(bins).scatter_add_(0, index, torch.ones_like(index))


def bin_of(values: Tensor, bins: int) -> Tensor:
    """The bin (int64, 0-based) of each value in [0,1]; 1 belongs to the last."""
    return (values * bins).long().clamp_(max=bins - 1)


def bin_centres(bins: int, device: torch.device | str | None = None) -> Tensor:
    """Centres (bins,) float64 of the bins of :func:`histogram`."""
    return (torch.arange(bins, dtype=torch.float64, device=device) + 0.5) / bins


def fit_mixture(
    values: Tensor,
    start: Mixture,
    *,
    counts: Tensor | None = None,
    tol: float = 1e-3,
    max_iters: int = 100,
) -> Mixture:
    """Expectation maximisation.

    Stops when the mean log-likelihood changes by less than ``tol`` (the rule, order and variance
    term of scikit-learn, so that iteration counts agree).

    Args:
        values (Tensor): (N,) float64.
        start (Mixture): Initial mixture.
        counts (Tensor, optional): (N,) how often each value occurs.
        tol (float): See above.
        max_iters (int): Maximum number of iterations.

    Returns:
        Mixture: The result includes the number of iterations and whether they converged; components
            stay in the order of the start.
    """
    # sufficient statistics are inner products with (1, x, x^2)
    powers = _powers(values)
    measure = (powers if counts is None else powers * counts).t()
    total = float(len(values) if counts is None else counts.sum())
    fit, before = Mixture(*start[:3]), -math.inf
    # The few parameters are Python numbers, which avoids the overhead of tiny tensor operations.
    parameters: tuple[list[float], list[float], list[float]] = (
        fit.means.tolist(),
        fit.variances.tolist(),
        fit.weights.tolist(),
    )
    for iteration in range(1, max_iters + 1):
        table = values.new_tensor(_polynomials(*parameters))
        share, likelihood = (
            _expect_all(table, values) if counts is None else _expect_binned(table, powers, counts)
        )
        sums = (share @ measure).tolist()
        masses = [mass + 10 * torch.finfo(values.dtype).eps for mass, _, _ in sums]
        means = [first / mass for mass, (_, first, _) in zip(masses, sums)]
        variances = [
            second / mass - mean * mean + REGULARIZATION
            for mass, mean, (_, _, second) in zip(masses, means, sums)
        ]
        parameters = means, variances, [mass / sum(masses) for mass in masses]
        now = likelihood / total
        if abs(now - before) < tol:
            return _as_mixture(values, parameters, iteration, True)
        before = now
    return _as_mixture(values, parameters, max_iters, False)


def _as_mixture(
    values: Tensor, parameters: Sequence[list[float]], num_iters: int, converged: bool
) -> Mixture:
    means, variances, weights = (values.new_tensor(column) for column in parameters)
    return Mixture(means, variances, weights, num_iters, converged)


def _expect_all(table: Tensor, values: Tensor) -> tuple[Tensor, float]:
    """Responsibilities (M,N) of the components for every value, and the log-likelihood of all
    values.
    """
    logs = _log_densities(table, values)
    peak = logs.amax(0)
    share = logs.sub_(peak).exp_()
    norm = share.sum(0)
    share /= norm
    # logarithms are expensive and `norm` is in [1,M]: take those of products
    whole = len(norm) // GROUP * GROUP
    likelihood = (
        norm[:whole].view(-1, GROUP).prod(1).log_().sum() + norm[whole:].log().sum() + peak.sum()
    )
    return share, float(likelihood)


def _expect_binned(table: Tensor, powers: Tensor, counts: Tensor) -> tuple[Tensor, float]:
    """Responsibilities and log-likelihood for a histogram, in as few operations as possible."""
    logs = table @ powers
    peak = logs.amax(0)
    share = logs.sub_(peak).exp_()
    norm = share.sum(0)
    return share.div_(norm), float(counts @ norm.log_().add_(peak))


def _log_densities(table: Tensor, values: Tensor) -> Tensor:
    """Log (M,N) of each weighted density at values (N,), by the coefficients of
    :func:`_polynomials`.
    """
    constant, slope, bend = (column[:, None] for column in table.unbind(1))
    return (bend * values).add_(slope).mul_(values).add_(constant)


def _powers(values: Tensor) -> Tensor:
    """(3,N): 1, x and x^2 of values (N,)."""
    return torch.stack((torch.ones_like(values), values, values * values))


def _polynomials(
    means: list[float], variances: list[float], weights: list[float]
) -> list[list[float]]:
    """Coefficients of the log of each weighted density in (1, x, x^2): M lists of 3."""
    return [
        [
            math.log(weight) - 0.5 * (math.log(2 * math.pi * variance) + mean * mean / variance),
            mean / variance,
            -0.5 / variance,
        ]
        for mean, variance, weight in zip(means, variances, weights)
    ]


def start_spread(values: Tensor, counts: Tensor | None = None, components: int = 3) -> Mixture:
    """The released start: minimum, median, maximum (two components: minimum, maximum), unit
    variances, equal weights.
    """
    places = [values.amin(), values.amax()]
    if components == 3:
        places.insert(1, _quantile(values, 0.5, counts))
    means = torch.stack(places)
    return Mixture(means, torch.ones_like(means), torch.full_like(means, 1 / components))


def start_two_means(values: Tensor, counts: Tensor | None = None) -> Mixture:
    """The best split into two clusters (exact, by prefix sums over the sorted values), each as one
    Gaussian.
    """
    values, order = values.sort()
    counts = torch.ones_like(values) if counts is None else counts[order]
    # number, sum and sum of squares of the smallest values determine the clusters
    mass, first, second = (torch.cumsum(counts * values**power, 0) for power in range(3))
    below, above = (mass[:-1], first[:-1]), (mass[-1] - mass[:-1], first[-1] - first[:-1])
    # least squares within the clusters = most squares between them; equal values stay together
    between = below[1] * below[1] / below[0] + above[1] * above[1] / above[0]
    between = between.masked_fill(values[1:] == values[:-1], -math.inf)
    cut = int(between.argmax())
    mass, first, second = (
        torch.stack((sums[cut], sums[-1] - sums[cut])) for sums in (mass, first, second)
    )
    means = first / mass
    # regularised, since a cluster of equal values has no variance
    return Mixture(means, second / mass - means * means + REGULARIZATION, mass / mass.sum())


def start_percentiles(values: Tensor, counts: Tensor | None = None) -> Mixture:
    """10th and 95th percentile, a quarter of the variance each, equal weights."""
    means = torch.stack([_quantile(values, share, counts) for share in (0.1, 0.95)])
    weights = torch.ones_like(values) if counts is None else counts
    mean = (weights @ values) / weights.sum()
    variance = (weights @ (values - mean).square()) / weights.sum()
    return Mixture(means, torch.full_like(means, float(variance) / 4), torch.full_like(means, 0.5))


def _quantile(values: Tensor, share: float, counts: Tensor | None = None) -> Tensor:
    """Linear quantile of values, or of ascending values with counts (the value of the bin it falls
    into).
    """
    if counts is None:
        # a selection and two passes instead of a sort
        position = share * (len(values) - 1)
        rank = math.floor(position) + 1
        low = values.kthvalue(rank).values
        above = values > low
        high = (
            values.masked_fill(~above, math.inf).amin()
            if len(values) - int(above.sum()) == rank
            else low
        )
        return low if position.is_integer() else low + (position % 1) * (high - low)
    reached = counts.cumsum(0)
    return values[torch.searchsorted(reached, share * reached[-1]).clamp(max=len(values) - 1)]


def crossing(fit: Mixture) -> tuple[float, bool]:
    """Point between the means of two weighted Gaussians where both are equally likely.

    Args:
        fit (Mixture): Two components, in any order.

    Returns:
        tuple: Threshold (float), and whether such a crossing exists; otherwise the threshold is the
            midpoint of the means.
    """
    low, high = sorted(range(2), key=fit.means.tolist().__getitem__)
    left, right = float(fit.means[low]), float(fit.means[high])
    table = _polynomials(*(column.tolist() for column in fit[:3]))
    # the log densities differ by a parabola a x^2 + b x + c, whose roots are the crossings
    c, b, a = (one - other for one, other in zip(table[low], table[high]))
    if abs(a) < 1e-12 * max(abs(b), 1.0):
        # equal variances: the parabola is a line
        roots = [] if b == 0 else [-c / b]
    else:
        inside = b * b - 4 * a * c
        # the form of the roots that does not subtract nearly equal numbers
        q = -0.5 * (b + math.copysign(math.sqrt(max(inside, 0.0)), b))
        # q is 0 only where both roots are
        pair = [q / a, c / q] if q else [q / a]
        roots = [] if inside < 0 else pair
    between = [root for root in roots if left <= root <= right]
    return (between[0], True) if between else ((left + right) / 2, False)


def released_thresholds(fit: Mixture, values: Tensor) -> tuple[float, ...] | None:
    """Largest value of the first component and, with three, the smallest of the third.

    Args:
        fit (Mixture): In the order of :func:`start_spread`.
        values (Tensor): (N,) float64 values of the fit.

    Returns:
        tuple[float] | None: (low,) or (low, high); None if a component has no values.
    """
    logs = values.new_tensor(_polynomials(*(column.tolist() for column in fit[:3]))) @ _powers(
        values
    )
    # equivalent to `logs.argmax(0)`, which also picks the first of equal values, but much faster
    low = float(values.masked_fill(logs[0] < logs[1:].amax(0), -math.inf).amax())
    high = float(values.masked_fill(logs[-1] <= logs[:-1].amax(0), math.inf).amin())
    if math.isinf(low) or math.isinf(high):
        return None
    return (low,) if len(fit.means) == 2 else (low, high)
