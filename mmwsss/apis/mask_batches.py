"""Pseudo masks of many images, refined in batches of images of the same size."""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from mmwsss.utils.buckets import Buckets
from mmwsss.utils.image_io import open_image, shown_size
from mmwsss.utils.memory import count_fitting, memory_errors_named

from .refine import MaskMaker, Seeds

Job = tuple[str, Path, Path]
WAITING = 64  # files that may wait to be written


class MaskBatches(Buckets):
    """Refines images of exactly the same size together, which keeps an accelerator busy; every
    image gets the same mask as when it is refined alone.

    Threads read the next images and write the last ones in the meantime.

    Args:
        maker (MaskMaker): Function that reads, refines and writes.
        batch_size (int, optional): Number of images per batch. None: 1 on a CPU; on a GPU as many
            as fit into 60 % of the memory that is free after the first image. A batch that does not
            fit is halved, as are all later ones.
        threads (int): Number of threads that read, and of threads that write.
    """

    def __init__(
        self, maker: MaskMaker, batch_size: int | None = None, *, threads: int = 4
    ) -> None:
        super().__init__(1 if batch_size is None else batch_size)
        self.maker, self.threads = maker, threads
        self.automatic = batch_size is None and torch.device(maker.device).type == 'cuda'

    def key(self, item: Seeds) -> Hashable:
        """All images of a batch have the same size."""
        return tuple(item.pixels.shape)

    def __call__(self, jobs: Sequence[Job]) -> Iterator[str]:
        """Make the masks of ``(image id, CAM file, image file)`` and yield the ids of the images
        whose file has been written.
        """
        if self.automatic or self.batch_size > 1:
            jobs = sorted(jobs, key=_largest_first)
        with (
            ThreadPoolExecutor(self.threads, 'reader') as readers,
            ThreadPoolExecutor(self.threads, 'writer') as writers,
        ):
            waiting: deque[Future[str]] = deque()
            for batch in self.lists(self._read_ahead(readers, jobs)):
                for seeds, label in zip(batch, self._refine(batch), strict=True):
                    waiting.append(writers.submit(self.maker.write, seeds.img_id, label))
                while len(waiting) > WAITING:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _read_ahead(self, readers: ThreadPoolExecutor, jobs: Iterable[Job]) -> Iterator[Seeds]:
        """Images in their order, while the next ones are being read."""
        reading: deque[Future[Seeds]] = deque()
        for job in jobs:
            reading.append(readers.submit(self.maker.read, job))
            if len(reading) > self.batch_size + self.threads:
                yield reading.popleft().result()
        while reading:
            yield reading.popleft().result()

    def _refine(self, batch: Sequence[Seeds]) -> list[Tensor]:
        if self.automatic:
            self.automatic = False
            labels, self.batch_size = count_fitting(lambda: self._fitting(batch), self.maker.device)
            return labels
        return self._fitting(batch)

    def _fitting(self, batch: Sequence[Seeds]) -> list[Tensor]:
        """Labels of a batch, in halves where it does not fit into the memory."""
        if len(batch) == 1:
            with memory_errors_named(f'image {batch[0].img_id}', 'make photos and maps smaller'):
                return self.maker.labels(batch)
        try:
            return self.maker.labels(batch)
        except torch.OutOfMemoryError:
            pass  # outside the handler, because the error references the tensors that did not fit
        torch.cuda.empty_cache()
        self.batch_size = max(1, len(batch) // 2)
        middle = len(batch) // 2
        return self._fitting(batch[:middle]) + self._fitting(batch[middle:])


def _largest_first(job: Job) -> tuple[int, int, int]:
    """Sort entries by the headers of the images: those that need the most memory come first, and
    images of the same size are consecutive. Unreadable files come last.
    """
    try:
        with open_image(job[2]) as image:
            height, width = shown_size(image)
    except (OSError, ValueError):
        return 0, 0, 0
    return -height * width, height, width
