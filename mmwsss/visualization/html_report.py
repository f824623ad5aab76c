"""Report of a run as one self-contained HTML file: pictures, style, data and the plotting library
(plotly) are embedded, and external scripts are blocked.
"""

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from mmwsss.utils.io import atomic_open, voc_palette
from mmwsss.visualization.plots import SERIES, figure_to_png, group_scalars
from mmwsss.visualization.report_samples import picture_side, report_images

WIDE_INCHES = 8
# prefix of the metrics -> title of their card and explanation of the number
CARDS = {
    'cam': (
        'Class activation maps',
        'Overlap of the maps, cut at one background threshold, with the ground truth. The maps are '
        'given the tags of each image.',
    ),
    'mask': (
        'Pseudo masks',
        'Overlap of the refined masks, on which a segmentation network trains, with the ground '
        'truth. They were made with the tags of each image.',
    ),
    'seg': (
        'Segmentation',
        'Overlap of the predictions of the segmentation network with the ground truth. The network '
        'sees the photo alone.',
    ),
}
TITLES = dict(cam='maps', mask='pseudo mask', seg='segmentation', gt='ground truth')
CHANCE = {'all_background_mIoU': 'all background', 'painted_tags_mIoU': 'painted with its tags'}
DETAILS = {
    'best_threshold': 'best threshold',
    'FP': 'false positives',
    'FN': 'false negatives',
    'pixel_accuracy': 'pixel accuracy',
}
PERCENTAGES = ('FP', 'FN', 'pixel_accuracy')
STATUS_CLASSES = {'done': 'good', 'skipped': 'muted', 'failed': 'bad', 'running': 'busy'}
STATUS_WORDS = {'skipped': 'done before'}
DEFAULT_THRESHOLD = 0.4
# Distinguishable with colour blindness (Okabe and Ito, then Tol's muted scheme); VOC's colours
# follow.
SAFE_COLORS = (
    (0, 0, 0),
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (51, 34, 136),
    (136, 204, 238),
    (68, 170, 153),
    (17, 119, 51),
    (153, 153, 51),
    (221, 204, 119),
    (204, 102, 119),
    (136, 34, 85),
    (170, 68, 153),
)


def write_report(
    path: str | Path,
    *,
    title: str,
    metrics: Mapping[str, Any] | None = None,
    stages: Sequence[Mapping[str, Any]] | None = None,
    curve: Mapping[str, Any] | None = None,
    training: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    figures: Mapping[str, Any] | None = None,
    samples: Iterable[Mapping[str, Any]] | None = None,
    num_samples: int | None = None,
    samples_note: str = '',
    runs: Sequence[str] = (),
    settings: str | Mapping[str, str] | None = None,
    environment: Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    findings: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write the report of a run; arguments that are None or empty are left out of the page.

    Args:
        path (str | Path): File to write, replaced only when the page is complete.
        title (str): Heading of the page.
        metrics (dict, optional): Content of ``metrics.json``: percentages as ``cam/mIoU``,
            ``mask/mIoU``, ``seg/mIoU``, the IoU of each class as ``<prefix>/IoU``, the chance
            levels as ``<prefix>/all_background_mIoU`` and ``<prefix>/painted_tags_mIoU``, further
            values, and ``protocol``, a dict of settings of the measurement, or of one such dict for
            each prefix. None or NaN is not shown.
        stages (list[dict], optional): Stages in order, each with ``name`` and, optionally,
            ``status`` (``done``, ``skipped``, ``failed``, ``running``), ``seconds`` and ``detail``
            (one line of text).
        curve (dict, optional): Threshold sweep: ``thresholds``, ``mIoU``, optionally ``FP`` and
            ``FN`` (see :func:`~mmwsss.visualization.plots.plot_threshold_curve`). It enables the
            slider.
        training (dict, optional): Heading -> records of a scalar log.
        figures (dict, optional): Caption -> :class:`matplotlib.figure.Figure` or PNG bytes, in
            order.
        samples (Iterable[dict], optional): See :func:`mmwsss.visualization.overlay.sample_tiles`;
            they are consumed one by one.
        num_samples (int, optional): Their number if ``samples`` has no length; pictures get smaller
            with the number of images.
        samples_note (str): Description of the images in the browser.
        runs (Sequence[str]): Keys of further label maps of the samples, which are shown under these
            names.
        settings (str | dict, optional): Text of the config, or texts by heading.
        environment (dict, optional): From :func:`mmwsss.utils.env.write_environment`; dicts inside
            are shown as ``key subkey``.
        classes (list[str], optional): Names by label, background first.
        findings (Sequence[dict]): Findings of an audit of the tags: ``title``, ``words`` (the
            explanation), ``sentences`` and ``picture`` (PNG bytes or None).

    Returns:
        Path: ``path``.
    """
    metrics, classes = metrics or {}, list(classes or [])
    best = metrics.get('cam/best_threshold')
    threshold = float(best) if best is not None and _is_number(best) else DEFAULT_THRESHOLD
    if samples is not None and num_samples is None:
        samples = list(samples)
        num_samples = len(samples)
    images = report_images(
        samples or (),
        classes,
        threshold=threshold,
        side=picture_side(num_samples or 0),
        runs=runs,
    )
    class_iou = {
        prefix: dict(metrics[f'{prefix}/IoU'])
        for prefix in CARDS
        if isinstance(metrics.get(f'{prefix}/IoU'), Mapping)
    }
    training = {name: records for name, records in (training or {}).items() if records}
    page = _results(metrics)
    page.update(
        title=title,
        summary=_summary(environment or {}),
        figures=_figures(figures or {}),
        findings=[dict(entry, uri=_png_uri(entry.get('picture'))) for entry in findings],
        note=samples_note,
        training=list(training),
        settings=_settings(settings or {}),
        environment=_environment(environment or {}),
        **_stages(stages or []),
    )
    data = dict(
        threshold=threshold,
        curve=_finite(curve) if curve else None,
        class_iou=_finite(class_iou),
        titles={**TITLES, **{run: run for run in runs}},
        colors={prefix: SERIES[prefix][1] for prefix in CARDS},
        confusion=_confusion(images.confusion, classes),
        training=[_training(records) for records in training.values()],
        runs=list(runs),
        palette=_palette(),
        samples=_finite(images.entries),
    )
    present = dict(
        numbers=page['cards'] or page['protocol'] or page['rest'],
        threshold=data['curve'],
        classes=class_iou,
        images=images.entries,
        confusion=data['confusion'],
        training=training,
        tags=page['findings'],
        stages=page['stages'],
        figures=page['figures'],
        settings=page['settings'],
        environment=page['environment'],
    )
    sections = [dict(id=name, title=HEADINGS[name]) for name, there in present.items() if there]
    interactive = any(present[name] for name in INTERACTIVE)
    plots = any(present[name] for name in INTERACTIVE if name != 'images')
    text = _render(page, sections, data if interactive else None, plots=plots)
    # file names that are not valid text still have to be written
    with atomic_open(path, 'w', encoding='utf-8', errors='xmlcharrefreplace') as file:
        file.write(text)
    return Path(path)


HEADINGS = dict(
    numbers='Results',
    threshold='Threshold',
    classes='Classes',
    images='Images',
    confusion='Confusion',
    training='Training',
    tags='Tags',
    stages='Stages',
    figures='Figures',
    settings='Settings',
    environment='Environment',
)
INTERACTIVE = ('threshold', 'classes', 'images', 'confusion', 'training')


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader('mmwsss.visualization', 'report'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _render(
    page: dict[str, Any], sections: list[dict[str, str]], data: Any | None, *, plots: bool
) -> str:
    """The page; only scripts with a known hash may run (Content-Security-Policy)."""
    from markupsafe import Markup

    folder = Path(__file__).parent / 'report'
    scripts = []
    if plots:
        from plotly.offline import get_plotlyjs

        scripts.append(get_plotlyjs())
    if data is not None:
        scripts.append((folder / 'page.js').read_text(encoding='utf-8'))
    hashes = ' '.join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    policy = (
        "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
        f'script-src {hashes or NONE}'
    )
    content = json.dumps(data, separators=(',', ':'))
    # within a script element only an end tag or a comment could end the text
    content = content.replace('<', '\\u003c')
    return (
        _templates()
        .get_template('page.html.j2')
        .render(
            page,
            policy=policy,
            style=Markup((folder / 'page.css').read_text(encoding='utf-8')),
            sections=sections,
            interactive=data is not None,
            data=Markup(content),
            scripts=[Markup(script) for script in scripts],
        )
    )


NONE = "'none'"


def _summary(environment: Mapping[str, Any]) -> list[str]:
    """Line below the heading: version, commit, seed and time of the run."""
    versions, git = environment.get('versions') or {}, environment.get('git') or {}
    parts = []
    if versions.get('mmwsss'):
        parts.append(f'version {versions["mmwsss"]}')
    if git.get('commit'):
        changed = ' with local changes' if git.get('dirty') else ''
        parts.append(f'commit {git["commit"][:10]}{changed}')
    if environment.get('seed') is not None:
        parts.append(f'seed {environment["seed"]}')
    if environment.get('time'):
        parts.append(str(environment['time']).replace('T', ' '))
    return parts


def _results(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """A card for each known mIoU, their common protocol, and all other values."""
    protocol = metrics.get('protocol') or {}
    rest = {
        name: value
        for name, value in metrics.items()
        if name != 'protocol' and not name.endswith('/IoU') and _is_shown(value)
    }
    cards = []
    for prefix in CARDS:
        values = {
            name.removeprefix(f'{prefix}/'): value
            for name, value in rest.items()
            if name.startswith(f'{prefix}/')
            and _is_number(value)
            and ('mIoU' in name or name.removeprefix(f'{prefix}/') in DETAILS)
        }
        if 'mIoU' not in values:
            continue
        own = protocol.get(prefix)
        cards.append(_card(prefix, values, own if isinstance(own, Mapping) else {}))
        shown = {f'{prefix}/{name}' for name in values}
        rest = {name: value for name, value in rest.items() if name not in shown}
    shared = {
        name: value
        for name, value in protocol.items()
        if not (name in CARDS and isinstance(value, Mapping))
    }
    return dict(
        cards=cards,
        protocol=_pairs(shared),
        rest=[(name, _value(value)) for name, value in rest.items()],
    )


def _card(prefix: str, values: dict[str, float], protocol: Mapping[str, Any]) -> dict[str, Any]:
    """Headline mIoU with a meter, chance levels (ticks in the meter) and the protocol."""
    title, words = CARDS[prefix]
    split = protocol.get('split')
    chance = [(label, values[name]) for name, label in CHANCE.items() if name in values]
    ticks = [
        dict(left=_percent(value), title=f'chance, {label}: {value:.1f} %')
        for label, value in chance
    ]
    return dict(
        title=title,
        color=SERIES[prefix][1],
        value=f'{values["mIoU"]:.1f}',
        share=_percent(values['mIoU']),
        words=words + (f' Measured on the split {split}.' if split else ''),
        ticks=ticks,
        rows=_card_rows(values, chance),
        protocol=_pairs(protocol),
    )


def _card_rows(
    values: Mapping[str, float], chance: Sequence[tuple[str, float]]
) -> list[tuple[str, str]]:
    """Names and texts of the values below the headline: chance levels, other means, details."""
    rows = [(f'chance: {label}', f'{value:.1f} %') for label, value in chance]
    for name, value in values.items():
        if name not in ('mIoU', *CHANCE, *DETAILS):
            rows.append((name.replace('_', ' '), f'{value:.1f} %'))
    for name, label in DETAILS.items():
        if name in values:
            value = values[name]
            rows.append((label, f'{value:.1f} %' if name in PERCENTAGES else _value(value)))
    return rows


def _stages(stages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows of the table of stages; the bar of a stage shows its fraction of the total time."""
    total = sum(stage['seconds'] for stage in stages if _is_number(stage.get('seconds')))
    rows = []
    for stage in stages:
        status, seconds = stage.get('status'), stage.get('seconds')
        share = seconds / total if seconds is not None and _is_number(seconds) and total else 0
        rows.append(
            dict(
                name=str(stage['name']),
                status=STATUS_WORDS.get(str(status), str(status)) if status else '',
                kind=STATUS_CLASSES.get(str(status), 'muted'),
                duration=_duration(seconds),
                share=_percent(100 * share),
                detail=str(stage.get('detail') or ''),
            )
        )
    return dict(stages=rows, total=_duration(total) if total > 0 else '')


def _figures(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    """Figures in a grid of two columns; a wide figure, and one without a neighbour, spans the whole
    row.
    """
    items = []
    for caption, figure in figures.items():
        given = isinstance(figure, bytes)
        png = figure if given else figure_to_png(figure, transparent=True)
        wide = given or figure.get_figwidth() > WIDE_INCHES
        items.append((str(caption), png, wide))
    found, waiting = [], False
    for index, (caption, png, wide) in enumerate(items):
        pair = not wide and (waiting or (index + 1 < len(items) and not items[index + 1][2]))
        waiting = pair and not waiting
        kind = 'panel' if pair else 'panel wide'
        found.append(dict(caption=caption, kind=kind, uri=_png_uri(png)))
    return found


def _png_uri(png: bytes | None) -> str:
    """A picture embedded in the page; empty without a picture."""
    if png is None:
        return ''
    return f'data:image/png;base64,{base64.b64encode(png).decode("ascii")}'


def _settings(settings: str | Mapping[str, str]) -> list[dict[str, str]]:
    texts = {'Configuration': settings} if isinstance(settings, str) else settings
    found = []
    for name, text in texts.items():
        count = len(str(text).splitlines())
        lines = f'{count} line' if count == 1 else f'{count} lines'
        found.append(dict(name=str(name), lines=lines, text=str(text)))
    return [] if settings == '' else found


def _environment(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name, value in environment.items():
        entries = value.items() if isinstance(value, Mapping) else [('', value)]
        rows += [(key if name == 'versions' else f'{name} {key}', entry) for key, entry in entries]
    return [(str(name).replace('_', ' '), _value(value)) for name, value in rows]


def _confusion(counts: Any | None, classes: Sequence[str]) -> dict[str, Any] | None:
    """Percentages of each true class by predicted class, for the classes that occur."""
    if counts is None:
        return None
    present = np.flatnonzero(counts.sum(0) + counts.sum(1))
    counts = counts[np.ix_(present, present)].astype(float)
    totals = counts.sum(1, keepdims=True)
    shares = np.divide(100 * counts, totals, out=np.zeros_like(counts), where=totals > 0)
    return dict(
        names=[classes[label] for label in present.tolist()], shares=shares.round(2).tolist()
    )


def _training(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Curves of a scalar log; losses, validation and learning rate each have an axis."""
    axes = {'Learning rate': 'y3', 'Validation': 'y2'}
    curves = []
    for panel, lines in group_scalars(records).items():
        for name, points in lines.items():
            steps = sorted(points)
            curves.append(
                dict(
                    name=name,
                    axis=axes.get(panel, 'y'),
                    x=steps,
                    y=_finite([points[step] for step in steps]),
                )
            )
    return dict(curves=curves)


def _palette() -> list[list[int]]:
    """256 colours, starting with those that are distinguishable with colour blindness."""
    colors = voc_palette().tolist()
    colors[: len(SAFE_COLORS)] = [list(color) for color in SAFE_COLORS]
    return colors


def _finite(value: Any) -> Any:
    """The value, with None instead of values that JSON cannot represent."""
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _pairs(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(str(name).replace('_', ' '), _value(value)) for name, value in settings.items()]


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float, np.number))
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def _is_shown(value: Any) -> bool:
    return value is not None and (_is_number(value) or not isinstance(value, (float, np.floating)))


def _value(value: Any) -> str:
    """Short text of a number, a truth value, a list or anything else."""
    if value is None:
        return 'none'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, (float, np.floating)):
        return f'{value:.4g}'
    if isinstance(value, (list, tuple)):
        return ', '.join(_value(item) for item in value) or 'none'
    if isinstance(value, Mapping):
        return ', '.join(f'{key} {_value(item)}' for key, item in value.items()) or 'none'
    return str(value)


def _duration(seconds: Any) -> str:
    if not _is_number(seconds):
        return '–'
    if seconds < 60:
        return f'{seconds:.1f} s'
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours} h {minutes:02d} min' if hours else f'{minutes} min {seconds:02d} s'


def _percent(value: float) -> str:
    return f'{min(max(float(value), 0), 100):.2f}%'
