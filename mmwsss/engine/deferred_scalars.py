"""Logged values that stay on the device until they are read."""

from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from torch import Tensor

MAX_PENDING = 4096  # values: read at the latest, which bounds the memory of a run without a logger


class DeferredScalars:
    """Collects device values for the log and reads all of them at once when one is needed.

    MMEngine's message hub reads every value in every iteration, and each read synchronises host and
    device.

    Args:
        hub (MessageHub): Message hub that receives the values.
    """

    def __init__(self, hub: MessageHub) -> None:
        self.hub = hub
        self._pending: list[tuple[DeferredBuffer, Tensor]] = []

    def update(self, key: str, value: Tensor) -> None:
        """Add a single-element tensor to the log of ``key``."""
        scalars = self.hub.log_scalars
        if not isinstance(scalars.get(key), DeferredBuffer):
            known = scalars.get(key)
            log, count = ((), ()) if known is None else known.data
            self.hub._set_resumed_keys(key, True)
            scalars[key] = DeferredBuffer(self, log, count)
        self._pending.append((scalars[key], value.detach()))
        if len(self._pending) >= MAX_PENDING:
            self.read()

    def read(self) -> None:
        """Move pending values into the logs, with one synchronisation for all of them."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        values = torch.stack([value.reshape(()).double() for _, value in pending]).tolist()
        for (buffer, _), value in zip(pending, values):
            buffer.append(value)


class DeferredBuffer(HistoryBuffer):
    """Log of one value that first reads pending values when it is accessed.

    In checkpoints it is a plain :class:`mmengine.logging.HistoryBuffer`.
    """

    _log: np.ndarray
    _count: np.ndarray

    def __init__(self, source: DeferredScalars, log: Any, count: Any) -> None:
        self._source = source
        super().__init__(list(log), list(count))

    def append(self, value: float) -> None:
        """Add a number without reading pending values."""
        self._log = np.append(self._log, value)[-self.max_length :]
        self._count = np.append(self._count, 1)[-self.max_length :]

    @property
    def _log_history(self) -> np.ndarray:
        self._source.read()
        return self._log

    @_log_history.setter
    def _log_history(self, values: np.ndarray) -> None:
        self._log = values

    @property
    def _count_history(self) -> np.ndarray:
        self._source.read()
        return self._count

    @_count_history.setter
    def _count_history(self, values: np.ndarray) -> None:
        self._count = values

    def __deepcopy__(self, memo: dict) -> HistoryBuffer:
        return HistoryBuffer(self._log_history, self._count_history, self.max_length)
