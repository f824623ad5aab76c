"""The end of a pipeline: one metrics file, one page, one table."""

from pathlib import Path

import numpy as np

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
    plot_class_iou,
    plot_curves,
    plot_threshold_curve,
    read_scalars,
    write_report,
)

TITLES = dict(
    seed='seeds: maps of the training images',
    cam='class activation maps',
    mask='pseudo masks',
    seg='segmentation network',
)


def finish_pipeline(pipeline, summary):
    """Write ``metrics.json`` and ``report.html`` into the work dir and print the numbers.

    Args:
        pipeline (Pipeline): All of its stages have run.
        summary (list[dict]): Result of :meth:`Pipeline.run`.

    Returns:
        dict: The metrics.
    """
    metrics = pipeline.metrics()
    metrics['seconds'] = round(sum(stage['seconds'] for stage in summary), 1)
    write_json(pipeline.work_dir / 'metrics.json', metrics)
    report = pipeline.config.get('report', {})
    path = write_report(
        pipeline.work_dir / 'report.html',
        title=pipeline.config.get('title', pipeline.name),
        metrics=metrics,
        stages=summary,
        figures=_figures(pipeline, metrics),
        samples=_samples(pipeline, report.get('samples')),
        settings={stage['name']: _stage_settings(pipeline, stage) for stage in pipeline.stages},
        environment=write_environment(pipeline.work_dir),
        classes=report.get('samples', {}).get('classes'),
    )
    pipeline.console.print(_table(metrics), markup=False)
    pipeline.console.print(
        f'metrics: {pipeline.work_dir / "metrics.json"}\nreport:  {path}',
        markup=False,
        soft_wrap=True,
    )
    return metrics


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


def _figures(pipeline, metrics):
    figures = {}
    curve_stage = pipeline.config.get('results', {}).get('cam')
    curves = pipeline.work_dir / curve_stage / 'curves.json' if curve_stage else None
    if curves and curves.is_file():
        figures['mIoU of the maps at every background threshold'] = plot_threshold_curve(
            read_json(curves)['cam']
        )
    series = {prefix: metrics[f'{prefix}/IoU'] for prefix in TITLES if f'{prefix}/IoU' in metrics}
    if series:
        figures['IoU of every class'] = plot_class_iou(list(next(iter(series.values()))), series)
    for stage in pipeline.stages:
        if stage['tool'] != 'train.py':
            continue
        records = [
            record
            for file in sorted((pipeline.work_dir / stage['name']).glob('*/vis_data/scalars.json'))
            for record in read_scalars(file)
        ]
        if records:
            figures[f'Training of {stage["name"]}'] = plot_curves(records)
    return figures


def _samples(pipeline, config):
    """First images of a split with whatever the stages wrote for them."""
    if not config:
        return []
    expand = pipeline.expand
    classes = list(config['classes'])
    tags = read_tags(expand(config['tags']))
    samples = []
    for img_id in read_id_list(expand(config['list']))[: config.get('num', 12)]:
        image = next(Path(expand(config['images'])).glob(f'{img_id}.*'))
        sample = dict(
            id=img_id,
            image=np.ascontiguousarray(read_image(image)[..., ::-1]),
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
                (classes[key + 1], cam.astype(np.float32)) for key, cam in zip(maps.keys, maps.cam)
            ]
        samples.append(sample)
    return samples


def _stage_settings(pipeline, stage):
    """Config of a stage that has one, else its command."""
    used = sorted((pipeline.work_dir / stage['name']).glob('*/vis_data/config.py'))
    return used[-1].read_text() if used else f'{stage["tool"]} {" ".join(map(str, stage["args"]))}'
