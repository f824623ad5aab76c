"""Names of the images of a batch, for error messages."""

import traceback
from collections.abc import Mapping
from typing import Any


def images_of_batch(batch: Any) -> list[str]:
    """Files of the images of a batch, or their ids; empty if it has neither."""
    samples = batch.get('data_samples') if isinstance(batch, Mapping) else None
    samples = samples if isinstance(samples, (list, tuple)) else [samples]
    metas = [getattr(sample, 'metainfo', {}) for sample in samples]
    names = [meta.get('img_path') or meta.get('img_id') for meta in metas]
    return [str(name) for name in names if name]


def note_images(error: Exception, batch: Any) -> None:
    """Attach the images of the current batch to an exception.

    Args:
        error: Exception that gets the attributes ``images`` (list[str]), empty if loading the next
            batch failed, whose message names its image, and ``has_begun`` (bool): whether there was
            a batch.
        batch: Collated batch; None before the first one.
    """
    frames = traceback.walk_tb(error.__traceback__)
    loading = any(
        frame.f_globals.get('__name__') == 'torch.utils.data.dataloader' for frame, _ in frames
    )
    error.images = [] if loading else images_of_batch(batch)  # type: ignore[attr-defined]
    error.has_begun = batch is not None  # type: ignore[attr-defined]
