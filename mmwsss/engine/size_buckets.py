"""Batches of images of the same size from a stream of images of any size."""

from collections.abc import Hashable, Iterable, Iterator
from itertools import chain
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.model import BaseModel
from torch import Tensor

from mmwsss.engine.batch_images import note_images
from mmwsss.utils.buckets import Buckets
from mmwsss.utils.memory import count_fitting, memory_errors_named


class SizeBuckets(Buckets):
    """Collects single-image batches until there are enough of the same size for a batch.

    Images of other sizes wait in separate buckets. Only exactly equal sizes are combined, so that
    the results equal those of single images.

    Args:
        batch_size, waiting: See :class:`~mmwsss.utils.buckets.Buckets`.
        by_tags (bool): Also require the same tags within a batch (for maps whose cost grows with
            all classes of a batch).
    """

    def __init__(
        self, batch_size: int, *, waiting: int | None = None, by_tags: bool = False
    ) -> None:
        super().__init__(batch_size, waiting=waiting)
        self.by_tags = by_tags

    def batches(self, stream: Iterable) -> Iterator[Any]:
        """Collated batches of the images of ``stream``, every image once; order changes within a
        few batches.
        """
        for items in self.lists(stream):
            yield items[0] if len(items) == 1 else merge(items)

    def key(self, item: Any) -> Hashable:
        """Sizes of the views and of the image; None for an item that is already a batch."""
        return self._sizes(item) if _is_single(item) else None

    def _sizes(self, data: dict) -> tuple:
        views, sample = data['inputs'], data['data_samples'][0]
        shapes = tuple(
            tuple((view if isinstance(view, Tensor) else view[0]).shape) for view in views
        )
        tags = (
            tuple(sample.gt_tags.nonzero().flatten().tolist())
            if self.by_tags and 'gt_tags' in sample
            else None
        )
        return shapes, tuple(sample.metainfo.get('ori_shape', ())), tags


def makes_batches(batch_size: int | None) -> bool:
    """Whether images are predicted in batches; None: only on a GPU."""
    return get_device() == 'cuda' if batch_size is None else batch_size > 1


def merge(items: list[dict]) -> dict:
    """Combine several single-image batches into one batch."""
    samples = list(chain.from_iterable(item['data_samples'] for item in items))
    first = items[0]['inputs'][0]
    if isinstance(first, Tensor):
        inputs = list(chain.from_iterable(item['inputs'] for item in items))
    else:
        inputs = []
        for images in zip(*(item['inputs'] for item in items)):  # images of one view
            inputs.append([image[0] for image in images])
    return dict(items[0], inputs=inputs, data_samples=samples)


def split(data: dict) -> list[dict]:
    """The two halves of a batch of images of the same size."""
    middle = len(data['data_samples']) // 2
    parts = []
    for part in (slice(middle), slice(middle, None)):
        inputs = data['inputs']
        inputs = inputs[part] if isinstance(inputs[0], Tensor) else [view[part] for view in inputs]
        parts.append(dict(data, inputs=inputs, data_samples=data['data_samples'][part]))
    return parts


def _is_single(data: Any) -> bool:
    return isinstance(data, dict) and len(data.get('data_samples') or ()) == 1


def _is_batch(data: Any) -> bool:
    return isinstance(data, dict) and len(data.get('data_samples') or ()) > 1


def _photos(data: Any) -> str:
    """Files of a batch, for messages."""
    samples = data.get('data_samples', ()) if isinstance(data, dict) else ()
    return ', '.join(str(sample.metainfo.get('img_path', 'an image')) for sample in samples)


class BatchPredictor:
    """Predicts the images of a loader in batches of images of the same size, within the memory of
    the device.

    Args:
        model (BaseModel): Model in evaluation mode.
        batch_size (int, optional): Number of images per batch. None: 1 on a CPU, where batches gain
            little; otherwise as many as fit into 60 % of the memory that is free after the first
            image. A batch that does not fit is halved, as are all later ones.
    """

    def __init__(self, model: BaseModel, batch_size: int | None = None) -> None:
        self.model = model
        self.automatic = batch_size is None and makes_batches(batch_size)
        by_tags = getattr(model, 'cam', None) is not None
        self.buckets = SizeBuckets(1 if batch_size is None else batch_size, by_tags=by_tags)

    def predict(self, loader: Iterable) -> Iterator[tuple[Any, list]]:
        """Batches and their predicted samples."""
        for data in self.buckets.batches(loader):
            try:
                samples = self._measure(data) if self.automatic else self._predict(data)
            except Exception as error:
                note_images(error, data)
                raise
            yield data, samples

    def _predict(self, data: Any) -> list:
        if self.buckets.batch_size == 1 or not _is_batch(data):
            with memory_errors_named(_photos(data), 'make photos smaller with --max-side 1024'):
                return list(self.model.test_step(data))
        try:
            return list(self.model.test_step(data))
        except torch.OutOfMemoryError:
            pass  # outside the handler, because the error references the tensors that did not fit
        torch.cuda.empty_cache()
        self.buckets.batch_size = max(1, len(data['data_samples']) // 2)
        return list(chain.from_iterable(map(self._predict, split(data))))

    def _measure(self, data: Any) -> list:
        samples, number = count_fitting(lambda: self._predict(data))
        self.buckets.batch_size = number
        self.automatic = False
        return samples
