"""Results of a pipeline: metrics file, report page and table."""

import os
import shlex
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.datasets.class_names import load_class_names
from mmwsss.utils.class_lists import VOC_CLASSES
from mmwsss.utils.env import write_environment
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, find_files
from mmwsss.utils.io import (
    read_cam,
    read_id_list,
    read_json,
    read_mask,
    read_rgb,
    read_tags,
    write_json,
)
from mmwsss.utils.tables import text_table
from mmwsss.visualization import read_scalars, write_report

from .pipeline import Pipeline
from .tag_findings import finding_sentences

MOST_IMAGES = 150  # largest number of images of a list, unless the config sets another one
TITLES = dict(
    seed='seeds: maps of the training images',
    cam='class activation maps',
    mask='pseudo masks',
    seg='segmentation network',
    online='online network (not averaged)',
)


def finish_pipeline(pipeline: Pipeline, summary: list[dict[str, Any]]) -> dict[str, Any]:
    """Write ``metrics.json`` and ``report.html`` into the work dir and print the numbers.

    The report is best effort: parts that cannot be drawn are left out with a warning, because the
    stages have run by then.

    Args:
        pipeline (Pipeline): Pipeline of which all stages have run.
        summary (list[dict]): Result of :meth:`Pipeline.run`.

    Returns:
        dict: The metrics.
    """
    metrics = pipeline.metrics()
    metrics['seconds'] = round(sum(stage['seconds'] for stage in summary), 1)
    write_json(pipeline.work_dir / 'metrics.json', metrics)
    attempt = partial(_attempt, pipeline)
    path = attempt('the report', lambda: _report(pipeline, summary, metrics, attempt), None)
    if any(f'{prefix}/mIoU' in metrics for prefix in TITLES):
        pipeline.console.print(_table(metrics), markup=False)
    pipeline.console.print(
        f'metrics: {pipeline.work_dir / "metrics.json"}\nreport:  {path or "not written"}',
        markup=False,
        soft_wrap=True,
    )
    return metrics


def report_unfinished(pipeline: Pipeline) -> Path | None:
    """Write ``report.html`` from the available results and mark the missing ones; ``metrics.json``
    is only written at the end of the pipeline.

    Args:
        pipeline (Pipeline): Pipeline of which some stages have run.

    Returns:
        Path | None: The page; None if it could not be drawn.
    """
    summary = pipeline.progress()
    attempt = partial(_attempt, pipeline)
    path = attempt(
        'the report',
        lambda: _report(pipeline, summary, pipeline.metrics(partial=True), attempt),
        None,
    )
    missing = [f'{stage["name"]} ({stage["status"]})' for stage in summary]
    missing = [name for name in missing if not name.endswith('(done)')]
    said = f'without {", ".join(missing)}' if missing else 'all stages are done'
    pipeline.console.print(
        f'report:  {path or "not written"}, {said}', markup=False, soft_wrap=True
    )
    return path


def _report(
    pipeline: Pipeline,
    summary: list[dict[str, Any]],
    metrics: dict[str, Any],
    attempt: Callable[[str, Callable[[], Any], Any], Any],
) -> Path:
    groups = pipeline.report.get('samples') or []
    groups = [groups] if isinstance(groups, dict) else list(groups)
    classes = attempt('the class names', lambda: _class_names(groups), None)
    samples = attempt('the list of images', lambda: _sample_files(pipeline, groups), [])
    return write_report(
        pipeline.work_dir / 'report.html',
        title=pipeline.values.get('title', pipeline.name),
        metrics=metrics,
        stages=summary,
        curve=attempt('the threshold curve', lambda: _curve(pipeline), None),
        training=attempt('the training curves', lambda: _training(pipeline), {}),
        samples=_samples(samples, classes or [], attempt),
        num_samples=len(samples),
        samples_note=_note(groups),
        settings={stage['name']: _stage_settings(pipeline, stage) for stage in pipeline.stages},
        environment=write_environment(pipeline.work_dir),
        classes=classes,
        findings=attempt('the audit of the tags', lambda: _findings(pipeline), []),
    )


def _findings(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Findings of an audit of the tags, with their pictures."""
    if 'findings' not in pipeline.report:
        return []
    folder = Path(pipeline.expand(pipeline.report['findings']))
    found = finding_sentences(read_json(folder / 'audit.json'))
    return [
        dict(
            title=title,
            words=words,
            sentences=sentences,
            picture=picture.read_bytes() if (picture := folder / f'{key}.png').is_file() else None,
        )
        for key, title, words, sentences in found
    ]


def _attempt(pipeline: Pipeline, what: str, make: Callable[[], Any], default: Any) -> Any:
    """Result of ``make()``; an exception becomes a warning."""
    try:
        return make()
    except Exception as error:  # noqa: BLE001  a failed drawing must not lose the results
        if os.environ.get('MMWSSS_DEBUG') == '1':
            raise
        pipeline.console.print(
            f'warning: {what} could not be made ({type(error).__name__}: {error}); '
            f'MMWSSS_DEBUG=1 shows the traceback',
            markup=False,
            soft_wrap=True,
        )
        return default


def _class_names(groups: list[dict[str, Any]]) -> list[str] | None:
    """Class names by label: those of the config or of its file, otherwise those of VOC."""
    if not groups:
        return None
    classes = groups[0].get('classes')
    return list(VOC_CLASSES if classes is None else load_class_names(classes))


def _table(metrics: dict[str, Any]) -> str:
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


def _curve(pipeline: Pipeline) -> dict[str, Any] | None:
    """Threshold sweep of the maps."""
    stage = pipeline.results.get('cam')
    path = pipeline.work_dir / stage / 'curves.json' if stage else None
    curve: dict[str, Any] | None = read_json(path).get('cam') if path and path.is_file() else None
    return curve


def _training(pipeline: Pipeline) -> dict[str, list[dict[str, Any]]]:
    """Scalar logs of the training stages."""
    logs = {}
    for stage in pipeline.stages:
        files = sorted((pipeline.work_dir / stage['name']).glob('*/vis_data/scalars.json'))
        if stage['tool'] == 'train.py' and files:
            logs[stage['name']] = list(chain.from_iterable(map(read_scalars, files)))
    return logs


def _sample_files(pipeline: Pipeline, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Id, tags and files of every image in the report; no file is read yet."""
    expand = pipeline.expand
    found: list[dict[str, Any]] = []
    for group in groups:
        tag_file = Path(expand(group['tags'])) if 'tags' in group else None
        tags = read_tags(tag_file) if tag_file and tag_file.is_file() else {}
        ids = read_id_list(expand(group['list']))[: group.get('num', MOST_IMAGES)]
        images = find_files(expand(group['images']), ids, IMAGE_SUFFIXES, what='image')
        folders = {key: expand(group[key]) for key in ('gt', 'mask', 'seg', 'cams') if key in group}
        for img_id, image in zip(ids, images):
            entry = dict(id=img_id, image=image, raw_pixels=group.get('raw_pixels', False))
            entry['tags'] = tags.get(img_id, tags.get(Path(image).name, []))
            for key, folder in folders.items():
                entry[key] = Path(folder, f'{img_id}{".npz" if key == "cams" else ".png"}')
            found.append(entry)
    return found


def _samples(
    files: list[dict[str, Any]],
    classes: list[str],
    attempt: Callable[[str, Callable[[], Any], Any], Any],
) -> Iterator[dict[str, Any]]:
    """The images with the outputs of the stages for them, read one by one."""
    for entry in files:
        sample = attempt(f'the picture of {entry["id"]}', partial(_read, entry, classes), None)
        if sample is not None:
            yield sample


def _read(entry: dict[str, Any], classes: list[str]) -> dict[str, Any]:
    image = read_rgb(entry['image'], raw=entry['raw_pixels'])
    sample = dict(entry, image=image, cams=[])
    for key in ('gt', 'mask', 'seg'):
        file = entry.get(key)
        sample[key] = read_mask(file) if file is not None and file.is_file() else None
    maps = entry.get('cams')
    if maps is not None and maps.is_file():
        content = read_cam(maps)
        sample['cams'] = [
            (classes[key + 1], cam.astype(np.float32))
            for key, cam in zip(content.keys, content.cam)
        ]
    return sample


def _note(groups: list[dict[str, Any]]) -> str:
    """Images for the browser."""
    parts = [
        f'the first {group.get("num", MOST_IMAGES)} of {Path(group["list"]).stem}'
        + (' with their pseudo masks' if 'mask' in group else '')
        for group in groups
    ]
    return f'Shown are {" and ".join(parts)} (fewer where the list is shorter).' if parts else ''


def _stage_settings(pipeline: Pipeline, stage: dict[str, Any]) -> str:
    """Config of a stage, or its command if it has no config."""
    used = sorted((pipeline.work_dir / stage['name']).glob('*/vis_data/config.py'))
    return used[-1].read_text() if used else shlex.join([stage['tool'], *map(str, stage['args'])])
