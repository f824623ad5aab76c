"""Background thresholds that follow the scores of a network while it trains."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmengine.dist import all_gather, all_reduce, get_world_size
from torch import Tensor, nn

from mmwsss.functional.mixture import MODES, bin_centres, fit_threshold, histogram
from mmwsss.registry import MODELS

HOST_STATE = ('thresholds', 'pushed', 'updates')


class ThresholdUpdate(NamedTuple):
    """Effect of a batch on a dynamic threshold.

    Attributes:
        rows (Tensor): (B,h*w) confidences.
        thresholds (Tensor): (1,) or (2,) float64, after the batch.
    """

    rows: Tensor
    thresholds: Tensor


@MODELS.register_module()
class DynamicThreshold(nn.Module):
    """Dynamic threshold of CoSA (Eq. 6): a mixture fitted to the confidences of the
    latest images.

    A ring buffer holds the confidences nu of the latest images on a coarse grid; every ``interval``
    updates the mixture is fitted to the buffers of all processes, and the threshold moves towards
    the result. A failed fit leaves the threshold unchanged. The whole state is stored in the
    checkpoint (with several processes, the buffer of the first one).

    Args:
        mode (str): See :func:`mmwsss.functional.mixture.fit_threshold`; ``'released'`` has two
            thresholds, low and high.
        start (float | Sequence[float]): Thresholds before the first fit.
        capacity (int): Number of images in the buffer.
        grid (tuple[int]): (h,w) of the confidences of an image.
        bins (int): Number of bins of the fitted histogram; 0 fits the values themselves.
        floor (float): Confidences at most this are left out.
        momentum (float): ``threshold <- momentum threshold + (1 - momentum) fit``.
        interval (int): Updates between fits.
        min_updates (int): Updates before the first fit.
        noise_start (bool): Start with a buffer of uniform noise instead of an empty one, as in the
            released code; it biases the first hundred updates.
    """

    thresholds: Tensor
    queue: Tensor
    counts: Tensor
    pushed: Tensor
    updates: Tensor

    def __init__(
        self,
        mode: str = 'kmeans2',
        *,
        start: float | Sequence[float] = 0.5,
        capacity: int = 400,
        grid: Sequence[int] = (28, 28),
        bins: int = 1024,
        floor: float = 0.05,
        momentum: float = 0.99,
        interval: int = 10,
        min_updates: int = 10,
        noise_start: bool = False,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise ValueError(f'the mode of a dynamic threshold is one of {MODES}, got {mode!r}')
        first = torch.as_tensor(start, dtype=torch.float64).flatten()
        if len(first) != (2 if mode == 'released' else 1):
            raise ValueError(
                f'mode {mode!r} has '
                f'{"two thresholds, low and high" if mode == "released" else "one threshold"}, '
                f'got {first.tolist()} to start from'
            )
        if min(capacity, interval, *grid) < 1 or not 0 <= momentum < 1:
            raise ValueError(
                f'capacity, interval and grid must be at least 1 and momentum in [0, 1), got '
                f'{capacity}, {interval}, '
                f'{tuple(grid)} and {momentum}'
            )
        self.mode, self.grid, self.bins, self.floor = mode, tuple(grid), bins, floor
        self.momentum, self.interval, self.min_updates = momentum, interval, min_updates
        # read in every step, hence stored on the host although they are part of the state
        self.thresholds = first.clone()
        self.pushed, self.updates = torch.tensor(0), torch.tensor(0)
        self.register_buffer('queue', torch.zeros(capacity, self.grid[0] * self.grid[1]))
        self.register_buffer('counts', torch.zeros(bins, dtype=torch.int64))
        if noise_start:
            self.push(torch.rand_like(self.queue))

    def update(self, confidence: Tensor) -> Tensor:
        """Add the confidences of a batch and fit if it is due; combines :meth:`propose` and
        :meth:`commit`.

        Args:
            confidence: nu, (B,h,w) in [0,1], of the size ``grid``.

        Returns:
            The thresholds (1,), or (2,) low and high, float64.
        """
        self.commit(self.propose(confidence))
        return self.thresholds

    @torch.no_grad()
    def propose(self, confidence: Tensor) -> ThresholdUpdate:
        """Result that :meth:`update` would have; the state does not change.

        All processes have to call it equally often, because a fit sums over them.

        Args:
            confidence: nu, (B,h,w) in [0,1], of the size ``grid``.

        Returns:
            The thresholds after the batch, for :meth:`commit`.

        Raises:
            ValueError: The confidences are on another grid.
        """
        if tuple(confidence.shape[-2:]) != self.grid:
            raise ValueError(
                f'confidences on a grid of {tuple(confidence.shape[-2:])} do not fit a buffer of '
                f'{self.grid}'
            )
        rows = confidence.detach().flatten(1).to(self.queue)[-len(self.queue) :]
        thresholds, updates = self.thresholds.clone(), int(self.updates) + 1
        if updates >= self.min_updates and updates % self.interval == 0:
            fit = self.fit(rows)
            if fit is not None:
                thresholds.lerp_(thresholds.new_tensor(fit), 1 - self.momentum)
        return ThresholdUpdate(rows, thresholds)

    @torch.no_grad()
    def commit(self, update: ThresholdUpdate) -> None:
        """Store the result of :meth:`propose` as the state."""
        self.push(update.rows)
        self.updates += 1
        self.thresholds.copy_(update.thresholds)

    def push(self, rows: Tensor) -> None:
        """Replace the oldest rows of the buffer by confidences (B,h*w) or (B,h,w)."""
        rows = rows.flatten(1).to(self.queue)[-len(self.queue) :]
        if self.bins:
            self.counts += self._change_of_counts(rows)
        self.queue[self._places(len(rows))] = rows
        self.pushed += len(rows)

    def _places(self, number: int) -> Tensor:
        """Rows of the buffer for the next ``number`` images."""
        steps = torch.arange(number, device=self.queue.device)
        return (int(self.pushed) + steps) % len(self.queue)

    def _change_of_counts(self, rows: Tensor) -> Tensor:
        """Change of the histogram when rows are pushed."""
        empty = max(len(self.queue) - int(self.pushed), 0)
        overwritten = self.queue[self._places(len(rows))[empty:]]
        return histogram(rows, self.bins) - histogram(overwritten, self.bins)

    def fit(self, rows: Tensor | None = None) -> Sequence[float] | None:
        """Thresholds that fit the buffers of all processes, or None where the fit fails.

        Args:
            rows: (B,h*w), counted as if they had been pushed.
        """
        rows = self.queue[:0] if rows is None else rows
        if self.bins:
            counts = self.counts + self._change_of_counts(rows)
            all_reduce(counts)
            return fit_threshold(
                bin_centres(self.bins), self.mode, counts=counts.cpu(), floor=self.floor
            )
        queue = self.queue.clone()
        queue[self._places(len(rows))] = rows
        filled = queue[: min(int(self.pushed) + len(rows), len(queue))]
        # all processes have the same batch size, so that their buffers are equally full
        values = torch.cat(all_gather(filled.contiguous())) if get_world_size() > 1 else filled
        return fit_threshold(values, self.mode, floor=self.floor)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name in HOST_STATE:
            destination[prefix + name] = getattr(self, name).clone()

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        errors: Any,
    ) -> None:
        super()._load_from_state_dict(
            state_dict, prefix, metadata, strict, missing_keys, unexpected_keys, errors
        )
        for name in HOST_STATE:
            key = prefix + name
            if key not in state_dict:
                missing_keys.append(key)
                continue
            getattr(self, name).copy_(state_dict[key])
            if key in unexpected_keys:
                unexpected_keys.remove(key)

    def extra_repr(self) -> str:
        return (
            f'mode={self.mode!r}, capacity={len(self.queue)}, grid={self.grid}, '
            f'bins={self.bins}, momentum={self.momentum}'
        )
