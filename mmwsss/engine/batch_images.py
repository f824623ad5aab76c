"""Names of the images in a batch, for messages."""

from collections.abc import Mapping
from typing import Any


def images_of_batch(batch: Any) -> list[str]:
    """Files, or else ids, of the images of a batch; empty where it has neither."""
    samples = batch.get('data_samples') if isinstance(batch, Mapping) else None
    samples = samples if isinstance(samples, (list, tuple)) else [samples]
    metas = [getattr(sample, 'metainfo', {}) for sample in samples]
    names = [meta.get('img_path') or meta.get('img_id') for meta in metas]
    return [str(name) for name in names if name]
