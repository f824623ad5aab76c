"""Report of a pipeline run as one HTML file that needs nothing else: pictures are data URIs, the
style is inline, there is no script.
"""

import base64
import math
from html import escape
from pathlib import Path

import numpy as np

from mmwsss.utils.io import atomic_open, voc_palette
from mmwsss.visualization.overlay import encode_image, sample_tiles
from mmwsss.visualization.plots import SERIES, figure_to_png

TILE_SIDE = 384
WIDE_INCHES = 8
# prefix of the metrics -> title of their card
CARDS = {'cam': 'Class activation maps', 'mask': 'Pseudo masks', 'seg': 'Segmentation'}
CHANCE = {'all_background_mIoU': 'all background', 'painted_tags_mIoU': 'painted with its tags'}
DETAILS = {
    'best_threshold': 'best threshold',
    'FP': 'false positives',
    'FN': 'false negatives',
    'pixel_accuracy': 'pixel accuracy',
}
PERCENTAGES = ('FP', 'FN', 'pixel_accuracy')
STATUS_CLASSES = {'done': 'good', 'skipped': 'muted', 'failed': 'bad', 'running': 'busy'}


def write_report(
    path,
    *,
    title,
    metrics=None,
    stages=None,
    figures=None,
    samples=None,
    settings=None,
    environment=None,
    classes=None,
):
    """Write the report of a run; whatever is None or empty is left out of the page.

    Args:
        path (str | Path): File to write, replaced only when the page is complete.
        title (str): Heading of the page.
        metrics (dict, optional): Content of ``metrics.json``: percentages as ``cam/mIoU``,
            ``mask/mIoU``, ``seg/mIoU``, the chance levels beside them as
            ``<prefix>/all_background_mIoU`` and ``<prefix>/painted_tags_mIoU``, further values, and
            ``protocol``, a dict of settings of the measurement, or of one such dict for each
            prefix. None or NaN is not shown.
        stages (list[dict], optional): In order, each ``name`` and, optionally, ``status``
            (``done``, ``skipped``, ``failed``, ``running``), ``seconds`` and ``detail`` (one line
            of text).
        figures (dict, optional): Caption -> :class:`matplotlib.figure.Figure` or PNG bytes, in
            order.
        samples (list[dict], optional): See :func:`mmwsss.visualization.overlay.sample_tiles`.
        settings (str | dict, optional): Text of the config, or heading -> text.
        environment (dict, optional): Result of :func:`mmwsss.utils.env.write_environment`; dicts inside
            are shown as ``key subkey``.
        classes (list[str], optional): Names by label, background first; colours the names of the
            samples as in their masks.

    Returns:
        Path: ``path``.
    """
    sections = [
        ('numbers', 'Results', _results(metrics or {})),
        ('stages', 'Stages', _stages(stages or [])),
        ('figures', 'Figures', _figures(figures or {})),
        ('samples', 'Samples', _samples(samples or [], classes or [])),
        ('settings', 'Settings', _settings(settings or {})),
        ('environment', 'Environment', _environment(environment or {})),
    ]
    sections = [section for section in sections if section[2]]
    navigation = ''.join(f'<a href="#{anchor}">{name}</a>' for anchor, name, _ in sections)
    body = '\n'.join(
        f'<section id="{anchor}">\n<h2>{name}</h2>\n{content}\n</section>'
        for anchor, name, content in sections
    )
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header><div class="page">
<p class="brand">mmwsss <span>run report</span></p>
<h1>{escape(title)}</h1>
{_summary(environment or {})}
<nav>{navigation}</nav>
</div></header>
<main class="page">
{body or '<p class="empty">This run has no results yet.</p>'}
</main>
</body>
</html>
"""
    # file names that are not valid text still have to be written
    with atomic_open(path, 'w', encoding='utf-8', errors='xmlcharrefreplace') as file:
        file.write(page)
    return Path(path)


def _summary(environment):
    """Line below the heading: version, commit, seed and time of the run."""
    versions, git = environment.get('versions') or {}, environment.get('git') or {}
    parts = []
    if versions.get('mmwsss'):
        parts.append(f'version {versions["mmwsss"]}')
    if git.get('commit'):
        parts.append(
            f'commit {git["commit"][:10]}' + (' with local changes' if git.get('dirty') else '')
        )
    if environment.get('seed') is not None:
        parts.append(f'seed {environment["seed"]}')
    if environment.get('time'):
        parts.append(str(environment['time']).replace('T', ' '))
    return (
        f'<p class="summary">{"".join(f"<span>{escape(part)}</span>" for part in parts)}</p>'
        if parts
        else ''
    )


def _results(metrics):
    """A card for each known mIoU, the protocol they share, and a table of all other values."""
    protocol = metrics.get('protocol') or {}
    rest = {
        name: value for name, value in metrics.items() if name != 'protocol' and _is_shown(value)
    }
    cards = []
    for prefix, title in CARDS.items():
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
        cards.append(_card(title, SERIES[prefix][1], values, own if isinstance(own, dict) else {}))
        shown = {f'{prefix}/{name}' for name in values}
        rest = {name: value for name, value in rest.items() if name not in shown}
    shared = {
        name: value
        for name, value in protocol.items()
        if not (name in CARDS and isinstance(value, dict))
    }
    parts = [f'<div class="cards">{"".join(cards)}</div>'] if cards else []
    if shared:
        parts.append(f'<p class="protocol"><b>Protocol</b>{_chips(shared)}</p>')
    if rest:
        rows = ''.join(
            f'<tr><td>{escape(name)}</td><td class="number">{escape(_value(value))}</td></tr>'
            for name, value in rest.items()
        )
        parts.append(
            f'<details class="panel"{"" if cards else " open"}><summary>Other metrics '
            f'<span>{len(rest)}</span></summary>'
            f'<div class="scroll"><table><tr><th>Metric</th><th '
            f'class="number">Value</th></tr>{rows}</table></div></details>'
        )
    return '\n'.join(parts)


def _card(title, color, values, protocol):
    """Headline mIoU with a meter, chance levels (ticks in the meter), further values and the
    protocol.
    """
    chance = [(label, values[name]) for name, label in CHANCE.items() if name in values]
    ticks = ''.join(
        f'<i style="left:{_percent(value)}" title="chance, {label}: {value:.1f} %"></i>'
        for label, value in chance
    )
    rows = [(f'chance: {label}', f'{value:.1f} %') for label, value in chance]
    rows += [
        (name.replace('_', ' '), f'{value:.1f} %')
        for name, value in values.items()
        if name not in ('mIoU', *CHANCE, *DETAILS)
    ]
    rows += [
        (label, f'{values[name]:.1f} %' if name in PERCENTAGES else _value(values[name]))
        for name, label in DETAILS.items()
        if name in values
    ]
    lines = ''.join(
        f'<div><dt>{escape(label)}</dt><dd>{escape(text)}</dd></div>' for label, text in rows
    )
    return (
        f'<article class="card" style="--accent:{color}"><h3>{title}</h3>'
        f'<p class="big">{values["mIoU"]:.1f}<span>% mIoU</span></p>'
        f'<div class="meter"><b style="width:{_percent(values["mIoU"])}"></b>{ticks}</div>'
        f'{f"<dl>{lines}</dl>" if lines else ""}{f"<p>{_chips(protocol)}</p>" if protocol else ""}</article>'
    )


def _stages(stages):
    """Table of stages; the bar of a stage is its share of the total time."""
    if not stages:
        return ''
    total = sum(stage['seconds'] for stage in stages if _is_number(stage.get('seconds')))
    rows = []
    for number, stage in enumerate(stages, 1):
        status, seconds = stage.get('status'), stage.get('seconds')
        badge = (
            f'<span class="badge '
            f'{STATUS_CLASSES.get(status, "muted")}">{escape(str(status))}</span>'
            if status
            else ''
        )
        share = seconds / total if _is_number(seconds) and total > 0 else 0
        rows.append(
            f'<tr><td '
            f'class="index">{number}</td><td><b>{escape(str(stage["name"]))}</b></td><td>{badge}</td>'
            f'<td class="number">{_duration(seconds)}</td>'
            f'<td class="share"><div class="bar"><b '
            f'style="width:{_percent(100 * share)}"></b></div></td>'
            f'<td class="detail">{escape(str(stage.get("detail") or ""))}</td></tr>'
        )
    foot = (
        f'<tr class="total"><td></td><td>Total</td><td></td><td '
        f'class="number">{_duration(total)}</td><td></td><td></td></tr>'
    )
    head = (
        '<tr><th></th><th>Stage</th><th>Status</th><th '
        'class="number">Duration</th><th></th><th></th></tr>'
    )
    return (
        '<div class="panel scroll"><table>'
        f'{head}{"".join(rows)}{foot if total > 0 else ""}</table></div>'
    )


def _figures(figures):
    """Figures in a grid of two columns; a wide one, and one without a neighbour, takes the whole
    row.
    """
    items = []
    for caption, figure in figures.items():
        given = isinstance(figure, bytes)
        items.append(
            (
                escape(str(caption)),
                figure if given else figure_to_png(figure, transparent=True),
                given or figure.get_figwidth() > WIDE_INCHES,
            )
        )
    parts, waiting = [], False
    for index, (caption, png, wide) in enumerate(items):
        pair = not wide and (waiting or (index + 1 < len(items) and not items[index + 1][2]))
        waiting = pair and not waiting
        kind = 'panel' if pair else 'panel wide' if wide else 'panel wide single'
        parts.append(
            f'<figure class="{kind}"><figcaption>{caption}</figcaption>'
            f'<img alt="{caption}" src="{_data_uri(png, "png")}"></figure>'
        )
    return f'<div class="figures">{"".join(parts)}</div>' if parts else ''


def _samples(samples, classes):
    """A card for each sample: its tags and its tiles, each with a caption."""
    if not samples:
        return ''
    labels = {name: label for label, name in enumerate(classes)}
    cards = []
    for sample in samples:
        tags = [str(tag) for tag in sample.get('tags') or ()]
        maps = [
            np.unique(np.asarray(sample[kind])).tolist()
            for kind in ('gt', 'mask', 'seg')
            if sample.get(kind) is not None
        ]
        others = [
            classes[label]
            for label in sorted({label for values in maps for label in values})
            if 0 < label < len(classes) and classes[label] not in tags
        ]
        chips = ''.join(
            f'<span class="tag">{_dot(labels.get(tag))}{escape(tag)}</span>' for tag in tags
        )
        chips += ''.join(
            f'<span class="tag other" title="in a mask, not among the '
            f'tags">{_dot(labels[name])}{escape(name)}</span>'
            for name in others
        )
        tiles = ''.join(
            f'<figure><img loading="lazy" alt="{escape(caption)}" '
            f'src="{_data_uri(encode_image(picture, "JPEG"), "jpeg")}">'
            f'<figcaption class="{kind}">{escape(caption)}</figcaption></figure>'
            for kind, caption, picture in sample_tiles(sample, side=TILE_SIDE)
        )
        cards.append(
            f'<article class="sample panel"><header><h3>{escape(str(sample.get("id", "")))}</h3>'
            f'<p>{chips or "<em>no tags</em>"}</p></header><div '
            f'class="tiles">{tiles}</div></article>'
        )
    legend = (
        '<p class="legend">Activation <span>0</span><i></i><span>1</span></p>'
        if any(sample.get('cams') for sample in samples)
        else ''
    )
    return legend + '\n'.join(cards)


def _settings(settings):
    texts = {'Configuration': settings} if isinstance(settings, str) else settings
    return '\n'.join(
        f'<details class="panel"><summary>{escape(str(name))} '
        f'<span>{_lines(str(text))}</span></summary>'
        f'<pre>{escape(str(text))}</pre></details>'
        for name, text in texts.items()
    )


def _environment(environment):
    rows = []
    for name, value in environment.items():
        entries = value.items() if isinstance(value, dict) else [('', value)]
        rows += [(key if name == 'versions' else f'{name} {key}', entry) for key, entry in entries]
    items = ''.join(
        f'<div><dt>{escape(str(name).replace("_", " "))}</dt><dd>{escape(_value(value))}</dd></div>'
        for name, value in rows
    )
    return f'<dl class="panel facts">{items}</dl>' if items else ''


def _lines(text):
    count = len(text.splitlines())
    return f'{count} line' if count == 1 else f'{count} lines'


def _chips(settings):
    return ''.join(
        f'<span class="chip">{escape(str(name).replace("_", " "))} '
        f'<b>{escape(_value(value))}</b></span>'
        for name, value in settings.items()
    )


def _dot(label):
    return (
        ''
        if label is None
        else '<i style="background:#{:02x}{:02x}{:02x}"></i>'.format(*voc_palette()[label])
    )


def _is_number(value):
    return (
        isinstance(value, (int, float, np.number))
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def _is_shown(value):
    return value is not None and (_is_number(value) or not isinstance(value, (float, np.floating)))


def _value(value):
    """Short text of a number, a truth value, a list or anything else."""
    if value is None:
        return 'none'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, (float, np.floating)):
        return f'{value:.4g}'
    if isinstance(value, (list, tuple)):
        return ', '.join(_value(item) for item in value) or 'none'
    if isinstance(value, dict):
        return ', '.join(f'{key} {_value(item)}' for key, item in value.items()) or 'none'
    return str(value)


def _duration(seconds):
    if not _is_number(seconds):
        return '–'
    if seconds < 60:
        return f'{seconds:.1f} s'
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours} h {minutes:02d} min' if hours else f'{minutes} min {seconds:02d} s'


def _percent(value):
    return f'{min(max(float(value), 0), 100):.2f}%'


def _data_uri(data, kind):
    return f'data:image/{kind};base64,{base64.b64encode(data).decode("ascii")}'


STYLE = """
:root{--bg:#f5f7fa;--panel:#fff;--ink:#16202e;--soft:#5b6878;--line:#e3e8ef;--fill:#eef2f7;--link:#0b5cad;--head:#0f1e33;
--shadow:0 1px 2px rgba(16,30,54,.05),0 4px 16px rgba(16,30,54,.05)}
@media (prefers-color-scheme:dark){:root{--bg:#0e131a;--panel:#171e28;--ink:#e6ebf2;--soft:#98a5b5;--line:#28323f;--fill:#222c39;
--link:#7cb7f0;--head:#0a1420;--shadow:none}.figures .panel{background:#f4f6f9;color:#16202e}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
.page{max-width:1180px;margin:0 auto;padding:0 24px}
h1,h2,h3,p,dl,dd,figure{margin:0}
body>header{background:linear-gradient(120deg,var(--head),#12406b);color:#fff;padding:34px 0 0}
.brand{font-weight:700;letter-spacing:.02em;opacity:.95}
.brand span{font-weight:400;opacity:.7;margin-left:6px}
h1{font-size:30px;line-height:1.2;letter-spacing:-.015em;margin:14px 0 8px;overflow-wrap:anywhere}
.summary{display:flex;flex-wrap:wrap;gap:4px 22px;color:#c4d4e6;font-size:14px}
nav{display:flex;flex-wrap:wrap;gap:0 26px;margin-top:22px}
nav a{color:#dce8f5;text-decoration:none;font-size:14px;font-weight:500;padding:10px 0 12px;border-bottom:2px solid transparent}
nav a:hover,nav a:focus-visible{color:#fff;border-color:#6cb4f5}
main{padding-top:8px;padding-bottom:64px}
section{padding-top:34px}
h2{font-size:20px;letter-spacing:-.01em;margin-bottom:14px}
.panel,.card{background:var(--panel);border:1px solid var(--line);border-radius:12px;box-shadow:var(--shadow)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(280px,1fr));gap:18px}
.card{display:flex;flex-direction:column;padding:20px 22px 18px;border-top:4px solid var(--accent)}
.card h3{font-size:14px;font-weight:600;color:var(--soft)}
.big{font-size:46px;font-weight:700;letter-spacing:-.03em;line-height:1.15;font-variant-numeric:tabular-nums}
.big span{font-size:16px;font-weight:500;letter-spacing:0;color:var(--soft);margin-left:6px}
.meter{position:relative;height:8px;border-radius:4px;background:var(--fill);margin:8px 0 14px}
.meter b{display:block;height:100%;border-radius:4px;background:var(--accent)}
.meter i{position:absolute;top:-4px;width:2px;height:16px;margin-left:-1px;background:var(--ink);box-shadow:0 0 0 1px var(--panel)}
.card dl>div{display:flex;justify-content:space-between;gap:16px;padding:4px 0;font-size:14px}
.card dl>div+div{border-top:1px solid var(--line)}
.card dt{color:var(--soft)}
.card dd{font-weight:600;font-variant-numeric:tabular-nums;white-space:nowrap}
.card>p:last-child{margin-top:auto;padding-top:10px}
.chip{display:inline-block;background:var(--fill);border-radius:6px;padding:2px 8px;margin:3px 6px 3px 0;font-size:13px;color:var(--soft)}
.chip b{color:var(--ink);font-weight:600}
.protocol{margin-top:16px}
.protocol>b{margin-right:10px;font-size:14px}
details{margin-top:14px}
summary{cursor:pointer;font-weight:600;padding:11px 18px}
details[open]>summary{border-bottom:1px solid var(--line)}
summary span{font-weight:400;color:var(--soft);font-size:13px;margin-left:6px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;font-weight:600;font-size:13px;color:var(--soft);padding:11px 14px;border-bottom:1px solid var(--line)}
td{padding:10px 14px;border-bottom:1px solid var(--line);vertical-align:middle}
tr:last-child td{border-bottom:0}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.index{color:var(--soft);width:40px;text-align:right;padding-right:0}
.share{width:22%;min-width:90px}
.bar{height:6px;border-radius:3px;background:var(--fill)}
.bar b{display:block;height:100%;min-width:2px;border-radius:3px;background:#3d8bd4}
.detail{color:var(--soft)}
.total td{font-weight:700;background:var(--fill)}
.total td:first-child{border-radius:0 0 0 11px}
.total td:last-child{border-radius:0 0 11px 0}
.badge{display:inline-block;padding:1px 9px;border-radius:99px;font-size:12.5px;font-weight:600}
.good{background:#d8f3e6;color:#0a5f40}
.bad{background:#fde2dd;color:#a12c12}
.busy{background:#dcebfb;color:#0b5394}
.muted{background:var(--fill);color:var(--soft)}
.figures{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:18px}
.figures .panel{padding:16px 18px}
.figures .wide{grid-column:1/-1}
.figures .single img{max-width:760px;margin:0 auto}
.figures figcaption{font-weight:600;margin-bottom:10px}
.figures img{display:block;width:100%;height:auto}
.legend{display:flex;align-items:center;gap:8px;font-size:13px;color:var(--soft);margin:-6px 0 12px}
.legend i{width:150px;height:10px;border-radius:5px;
background:linear-gradient(90deg,#30123b,#4662d7,#36aaf9,#1ae4b6,#72fe5e,#c7ef34,#faba39,#f66b19,#cb2a04,#7a0403)}
.sample{padding:16px 18px 18px;margin-bottom:18px}
.sample header{display:flex;flex-wrap:wrap;align-items:center;gap:6px 14px;margin-bottom:12px}
.sample h3{font:600 15px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.sample em{color:var(--soft);font-size:13px}
.tag{display:inline-flex;align-items:center;gap:6px;
border:1px solid var(--line);background:var(--fill);border-radius:99px;padding:1px 10px;margin-right:6px;font-size:13px}
.tag i{width:10px;height:10px;border-radius:50%;box-shadow:0 0 0 1px rgba(128,128,128,.35)}
.tag.other{background:none;border-style:dashed;color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px}
.tiles img{display:block;width:100%;height:auto;border-radius:8px}
.tiles figcaption{text-align:center;font-size:13px;color:var(--soft);margin-top:5px;overflow-wrap:anywhere}
.tiles .cam{color:var(--ink);font-weight:600}
pre{margin:0;padding:16px 18px;max-height:560px;overflow:auto;
font:12.5px/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;tab-size:4}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:14px 24px;padding:18px 20px}
.facts dt{color:var(--soft);font-size:13px}
.facts dd{font-weight:500;overflow-wrap:anywhere}
.empty{padding-top:40px;color:var(--soft)}
@media (max-width:760px){
.figures{grid-template-columns:minmax(0,1fr)}h1{font-size:24px}.page{padding:0 14px}
.tiles{grid-template-columns:repeat(auto-fill,minmax(130px,1fr))}
th:nth-child(n+5),td:nth-child(n+5){display:none}
.figures .wide:not(.single){overflow-x:auto}.figures .wide:not(.single) img{width:820px}
}
@media print{body>header{background:none;color:#000}nav{display:none}.panel,.card{box-shadow:none;break-inside:avoid}.summary{color:#333}}
"""
