"""Inference of a model on photos, in batches of photos of the same size."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from rich.progress import track

from mmwsss.engine.size_buckets import BatchPredictor
from mmwsss.registry import TRANSFORMS
from mmwsss.utils.image_io import shrink
from mmwsss.utils.memory import memory_errors_named

from .config import require_sections
from .photo_inputs import Photo

READING = ('max_pixels', 'value_range', 'alpha_color')  # options of LoadImage that apply to files


def predict_photos(
    model: Any,
    photos: Sequence[Photo],
    tags: Sequence[Sequence[str | int]] | None,
    *,
    scales: Sequence[float] | None = None,
    options: dict[str, Any] | None = None,
    max_side: int | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> Iterator[tuple[int, Any]]:
    """Yield the predicted sample of each photo as soon as it is available; few are in memory at a
    time.

    Args:
        model (BaseModel): Model of :func:`mmwsss.apis.init_model`.
        photos (Sequence[Photo]): Photos.
        tags (Sequence, optional): Names or ids of the tags of each photo; None: predicted tags.
        scales (Sequence[float], optional): Test scales.
        options (dict, optional): Options of ``model.test_cfg``; None values keep the current ones.
        max_side (int, optional): Longest side of the images for the network.
        batch_size (int, optional): See :class:`mmwsss.engine.size_buckets.BatchPredictor`.
        progress (bool): Show a progress bar.

    Yields:
        Index of the photo, and its sample; photos of the same size are consecutive.

    Raises:
        ValueError: See :func:`mmwsss.apis.infer_cams`.
    """
    require_sections(model.cfg, 'test_dataloader')
    is_classifier = hasattr(model, 'predict_cams')
    ids = None if tags is None else [_tag_ids(model, entry) for entry in tags]
    settings = _settings(model, ids is not None, scales, options or {}) if is_classifier else None
    pipeline = _inference_pipeline(model.cfg, scales)
    places: dict[int, int] = {}

    def load() -> Iterator[dict[str, Any]]:
        bar = track(photos, description='looking', disable=not progress)
        for place, photo in enumerate(bar):
            results = _load(model, photo, max_side)
            if is_classifier:
                own = [] if ids is None else ids[place]
                results.update(num_tags=model.num_classes, gt_tags=own)
            data = pipeline(results)
            places[id(data['data_samples'])] = place
            yield pseudo_collate([data])

    predictor: Any = BatchPredictor(_Configured(model, settings), batch_size)
    for data, samples in predictor.predict(load()):
        for before, after in zip(data['data_samples'], samples):
            yield places.pop(id(before)), after


class _Configured:
    """Apply other test settings to a model during each prediction only."""

    def __init__(self, model: Any, settings: dict[str, Any] | None) -> None:
        self.model, self.settings = model, settings
        self.cam = getattr(model, 'cam', None)

    def test_step(self, data: dict[str, Any]) -> list[Any]:
        """Predict a batch."""
        before = getattr(self.model, 'test_cfg', None)
        if self.settings is not None:
            self.model.test_cfg = self.settings
        samples = data['data_samples']
        try:
            with torch.no_grad():
                if len(samples) > 1:  # a batch that does not fit is halved
                    return list(self.model.test_step(data))
                meta = samples[0].metainfo
                height, width = meta['ori_shape'][:2]
                subject = f'{meta["img_path"]} ({width}x{height})'
                with memory_errors_named(subject, 'give max_side, e.g. 1024'):
                    return list(self.model.test_step(data))
        finally:
            if self.settings is not None:
                self.model.test_cfg = before


def _settings(
    model: Any, has_tags: bool, scales: Sequence[float] | None, options: dict[str, Any]
) -> dict[str, Any]:
    """``test_cfg`` of a classifier for a call."""
    saved = model.test_cfg
    given = dict(options, scales=scales if 'scales' in saved else None)
    changed = {key: value for key, value in given.items() if value is not None}
    unknown = sorted(set(changed) - set(saved))
    if unknown:
        raise ValueError(f'{type(model).__name__} has no option {", ".join(unknown)}')
    return dict(saved, tags='gt' if has_tags else 'predicted', **changed)


def _load(model: Any, photo: Photo, max_side: int | None) -> dict[str, Any]:
    """Input of the test pipeline for a photo."""
    dataset = model.cfg.test_dataloader.dataset
    step: dict[str, Any] = next(
        (step for step in dataset.pipeline if step['type'].endswith('LoadImage')), {}
    )
    image = photo.read(**{key: step[key] for key in READING if key in step})
    height, width = image.shape[:2]
    image = shrink(image, max_side or dataset.get('max_side') or step.get('max_side'))
    return dict(
        img=image,
        img_shape=image.shape[:2],
        ori_shape=(height, width),
        img_path=photo.source,
        seg_fields=[],
    )


def _tag_ids(model: Any, tags: Sequence[str | int]) -> list[int]:
    ids = []
    for tag in tags:
        if isinstance(tag, str):
            if tag not in model.class_names[1:]:
                raise ValueError(
                    f'unknown tag {tag!r}; the model knows {", ".join(model.class_names[1:])}'
                )
            tag = model.class_names.index(tag) - 1
        if not 0 <= tag < model.num_classes:
            raise ValueError(f'tag id {tag} is outside 0..{model.num_classes - 1}')
        ids.append(int(tag))
    return ids


def _inference_pipeline(config: Config, scales: Sequence[float] | None) -> Compose:
    """The test pipeline of the config without loading, optionally at other scales."""
    steps = []
    for step in config.test_dataloader.dataset.pipeline:
        step, kind = dict(step), step['type'].rpartition('.')[2]
        if kind.startswith('Load'):
            continue
        if kind == 'MultiScaleViews' and scales is not None:
            step['scales'] = tuple(scales)
        steps.append(TRANSFORMS.build(step))
    return Compose(steps)
