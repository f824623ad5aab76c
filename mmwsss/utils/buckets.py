"""Batches of items with equal keys from a mixed stream."""

from collections.abc import Hashable, Iterable, Iterator
from typing import Any


class Buckets:
    """Collects items until there are enough with the same key for a batch; other items wait in
    separate buckets. At most ``waiting`` items are kept; beyond that the fullest bucket becomes a
    batch.

    Subclasses define :meth:`key`.

    Args:
        batch_size (int): Number of items per batch; may be changed at any time.
        waiting (int, optional): Largest number of waiting items; default: four batches.

    Raises:
        ValueError: ``batch_size`` is below 1.
    """

    def __init__(self, batch_size: int, *, waiting: int | None = None) -> None:
        if batch_size < 1:
            raise ValueError(f'a batch has one image or more, got a batch size of {batch_size}')
        self.batch_size = batch_size
        self.waiting = waiting

    def key(self, item: Any) -> Hashable:
        """Key that the items of a batch share; None: the item forms a batch by itself."""
        raise NotImplementedError

    def lists(self, stream: Iterable) -> Iterator[list]:
        """Batches of the items of ``stream``, every item once; order changes within a few
        batches.
        """
        buckets: dict[Hashable, list] = {}
        for item in stream:
            key = None if self.batch_size == 1 else self.key(item)
            if key is None:
                yield [item]
                continue
            bucket = buckets.setdefault(key, [])
            bucket.append(item)
            limit = 4 * self.batch_size if self.waiting is None else self.waiting
            if len(bucket) >= self.batch_size:
                yield self._take(bucket)
            elif sum(map(len, buckets.values())) > limit:
                yield self._take(max(buckets.values(), key=len))
        for bucket in buckets.values():
            while bucket:
                yield self._take(bucket)

    def _take(self, bucket: list) -> list:
        chosen = bucket[: self.batch_size]
        del bucket[: self.batch_size]
        return chosen
