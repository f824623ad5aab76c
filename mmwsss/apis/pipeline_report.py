"""The end of a pipeline: one metrics file, one page, one table."""

import glob
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.datasets.class_names import load_class_names
from mmwsss.utils.env import write_environment
from mmwsss.utils.io import (
    read_cam,
    read_id_list,
    read_image,
    read_json,
    read_mask,
    read_tags,
    write_json,
)
from mmwsss.utils.tables import text_table
from mmwsss.visualization import (
    figure_to_png,
    plot_class_iou,
    plot_curves,
    plot_threshold_curve,
    read_scalars,
    write_report,
)

from .pipeline import Pipeline

TITLES = dict(
    seed='seeds: maps of the training images',
    cam='class activation maps',
    mask='pseudo masks',
    seg='segmentation network',
)


def finish_pipeline(pipeline: Pipeline, summary: list[dict[str, Any]]) -> dict[str, Any]:
    """Write ``metrics.json`` and ``report.html`` into the work dir and print the numbers.

    The report is best effort: what cannot be drawn is named in a warning and left out, because the
    stages have run by then.

    Args:
        pipeline (Pipeline): All of its stages have run.
        summary (list[dict]): Result of :meth:`Pipeline.run`.

    Returns:
        dict: The metrics.
    """
    metrics = pipeline.metrics()
    metrics['seconds'] = round(sum(stage['seconds'] for stage in summary), 1)
    write_json(pipeline.work_dir / 'metrics.json', metrics)
    attempt = partial(_attempt, pipeline)
    path = attempt('the report', lambda: _report(pipeline, summary, metrics, attempt), None)
    pipeline.console.print(_table(metrics), markup=False)
    pipeline.console.print(
        f'metrics: {pipeline.work_dir / "metrics.json"}\nreport:  {path or "not written"}',
        markup=False,
        soft_wrap=True,
    )
    return metrics


def _report(
    pipeline: Pipeline,
    summary: list[dict[str, Any]],
    metrics: dict[str, Any],
    attempt: Callable[[str, Callable[[], Any], Any], Any],
) -> Path:
    settings = pipeline.report.get('samples')
    classes = attempt('the class names', lambda: _class_names(settings), None)
    drawn = {
        caption: attempt(f'the figure {caption!r}', lambda draw=draw: figure_to_png(draw()), None)
        for caption, draw in _figures(pipeline, metrics).items()
    }
    return write_report(
        pipeline.work_dir / 'report.html',
        title=pipeline.values.get('title', pipeline.name),
        metrics=metrics,
        stages=summary,
        figures={caption: figure for caption, figure in drawn.items() if figure is not None},
        samples=attempt('the samples', lambda: _samples(pipeline, settings, classes), []),
        settings={stage['name']: _stage_settings(pipeline, stage) for stage in pipeline.stages},
        environment=write_environment(pipeline.work_dir),
        classes=classes,
    )


def _attempt(pipeline: Pipeline, what: str, make: Callable[[], Any], default: Any) -> Any:
    """Result of ``make()``; a failure becomes a warning."""
    try:
        return make()
    except Exception as error:  # noqa: BLE001  no drawing is worth the result of a pipeline
        if os.environ.get('MMWSSS_DEBUG') == '1':
            raise
        pipeline.console.print(
            f'warning: {what} could not be made ({type(error).__name__}: {error}); '
            f'MMWSSS_DEBUG=1 shows the traceback',
            markup=False,
            soft_wrap=True,
        )
        return default


def _class_names(settings: dict[str, Any] | None) -> list[str] | None:
    """Names by label; a config gives them, or the file that holds them."""
    classes = (settings or {}).get('classes')
    return None if classes is None else list(load_class_names(classes))


def _table(metrics):
    rows = []
    for prefix, title in TITLES.items():
        if f'{prefix}/mIoU' not in metrics:
            continue
        protocol = metrics['protocol'].get(prefix, {})
        threshold = metrics.get(f'{prefix}/best_threshold')
        detail = '' if threshold is None else f'threshold {threshold:.2f} ({protocol.get("rule")})'
        rows.append((title, metrics[f'{prefix}/mIoU'], protocol.get('split', '-'), detail))
    if 'cam/all_background_mIoU' in metrics:
        rows.append(('chance: all background', metrics['cam/all_background_mIoU'], '', ''))
        rows.append(
            ('chance: tags painted over the image', metrics['cam/painted_tags_mIoU'], '', '')
        )
    return text_table(('result', 'mIoU %', 'split', 'background'), rows)


def _figures(pipeline: Pipeline, metrics: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Caption -> function that draws the figure."""
    figures: dict[str, Callable[[], Any]] = {}
    curve_stage = pipeline.results.get('cam')
    curves = pipeline.work_dir / curve_stage / 'curves.json' if curve_stage else None
    if curves and curves.is_file():
        figures['mIoU of the maps at every background threshold'] = lambda: plot_threshold_curve(
            read_json(curves)['cam']
        )
    series = {prefix: metrics[f'{prefix}/IoU'] for prefix in TITLES if f'{prefix}/IoU' in metrics}
    if series:
        figures['IoU of every class'] = lambda: plot_class_iou(
            list(next(iter(series.values()))), series
        )
    for stage in pipeline.stages:
        files = sorted((pipeline.work_dir / stage['name']).glob('*/vis_data/scalars.json'))
        if stage['tool'] == 'train.py' and any(file.stat().st_size for file in files):
            figures[f'Training of {stage["name"]}'] = partial(_training_curves, files)
    return figures


def _training_curves(files: list[Path]) -> Any:
    return plot_curves([record for file in files for record in read_scalars(file)])


def _samples(
    pipeline: Pipeline, config: dict[str, Any] | None, classes: list[str] | None
) -> list[dict[str, Any]]:
    """First images of a split with whatever the stages wrote for them."""
    if not config:
        return []
    expand = pipeline.expand
    names = classes or []
    tags = read_tags(expand(config['tags']))
    samples = []
    for img_id in read_id_list(expand(config['list']))[: config.get('num', 12)]:
        image = next(Path(expand(config['images'])).glob(f'{glob.escape(img_id)}.*'))
        sample = dict(
            id=img_id,
            image=np.ascontiguousarray(
                read_image(image, raw=config.get('raw_pixels', False))[..., ::-1]
            ),
            tags=tags.get(img_id, tags.get(image.name, [])),
            gt=None,
            cams=[],
            mask=None,
            seg=None,
        )
        for key in ('gt', 'mask', 'seg'):
            file = Path(expand(config[key]), f'{img_id}.png') if key in config else None
            if file is not None and file.is_file():
                sample[key] = read_mask(file)
        if 'cams' in config:
            maps = read_cam(Path(expand(config['cams']), f'{img_id}.npz'))
            sample['cams'] = [
                (names[key + 1], cam.astype(np.float32)) for key, cam in zip(maps.keys, maps.cam)
            ]
        samples.append(sample)
    return samples


def _stage_settings(pipeline, stage):
    """Config of a stage that has one, else its command."""
    used = sorted((pipeline.work_dir / stage['name']).glob('*/vis_data/config.py'))
    return used[-1].read_text() if used else f'{stage["tool"]} {" ".join(map(str, stage["args"]))}'
