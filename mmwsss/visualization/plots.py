"""Figures of a run: threshold curve, IoU of each class, training curves. Drawn without pyplot, so
nothing global changes.
"""

import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

# Okabe and Ito, "Color Universal Design" (2008): distinguishable with every common form of colour
# blindness
COLORS = ('#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#7f7f7f', '#b8a900')
# key of a series in plot_class_iou -> label and colour; the report gives its cards the same
SERIES = {
    'cam': ('CAM', COLORS[0]),
    'mask': ('pseudo mask', COLORS[1]),
    'seg': ('segmentation', COLORS[2]),
}
INK, MUTED, GRID = '#1f2937', '#6b7280', '#e5e7eb'
CLASSES_PER_COLUMN, MAX_COLUMNS = 12, 3
SMOOTH_ABOVE = 100
MAX_NAME = 32
SINGLE_INCHES, DOUBLE_INCHES = 6.4, 13.2
NOT_METRICS = ('time', 'data_time', 'memory', 'epoch', 'iter', 'step')


def figure_to_png(figure, *, dpi=160, transparent=False):
    """PNG bytes of a figure.

    Args:
        figure (matplotlib.figure.Figure): Its size in inches times ``dpi`` is the size of the
            picture in pixels.
        dpi (int): Dots per inch.
        transparent (bool): Leave out the white background.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=dpi, facecolor='none' if transparent else 'white')
    return buffer.getvalue()


def plot_threshold_curve(curve):
    """mIoU, false positives and false negatives against the background threshold, with the best
    mIoU marked.

    Args:
        curve (dict): Lists of one length: ``thresholds`` ascending, ``mIoU`` in percent and,
            optionally, ``FP`` and ``FN`` in percent (the means over classes of (P-TP)/union and
            (T-TP)/union, which add up to 100 with mIoU).

    Returns:
        matplotlib.figure.Figure

    Raises:
        ValueError: Lists of different lengths, or empty ones.
    """
    thresholds = np.asarray(curve['thresholds'], np.float64)
    lines = {
        name: np.asarray(curve[name], np.float64)
        for name in ('mIoU', 'FP', 'FN')
        if curve.get(name) is not None
    }
    wrong = {name: len(values) for name, values in lines.items() if len(values) != len(thresholds)}
    if wrong or not len(thresholds):
        raise ValueError(
            f'a threshold curve needs lists of one length above 0: {len(thresholds)} thresholds, '
            f'others {wrong}'
        )
    figure = Figure(figsize=(SINGLE_INCHES, 3.8), layout='constrained')
    axes = figure.add_subplot()
    names = {'mIoU': 'mIoU', 'FP': 'false positives', 'FN': 'false negatives'}
    for (name, values), color, style in zip(
        lines.items(), (COLORS[0], COLORS[3], COLORS[2]), ('-', '--', ':')
    ):
        axes.plot(
            thresholds,
            values,
            color=color,
            linestyle=style,
            linewidth=2.2 if name == 'mIoU' else 1.6,
            label=names[name],
        )
    if np.isfinite(lines['mIoU']).any():
        best = int(np.nanargmax(lines['mIoU']))
        x, y = thresholds[best], lines['mIoU'][best]
        axes.axvline(x, color=COLORS[0], linewidth=1, alpha=0.35)
        axes.plot(
            [x],
            [y],
            'o',
            color=COLORS[0],
            markersize=8,
            markeredgecolor='white',
            markeredgewidth=1.5,
            zorder=5,
        )
        right = best > len(thresholds) / 2
        axes.annotate(
            f'{y:.1f} % at {x:.3g}',
            (x, y),
            xytext=(-10 if right else 10, 8),
            textcoords='offset points',
            ha='right' if right else 'left',
            va='bottom',
            color=COLORS[0],
            fontsize=11,
            fontweight='bold',
        )
    axes.set_ylim(bottom=0)
    axes.margins(x=0.02, y=0.12)
    _finish(axes, xlabel='background threshold', ylabel='percent')
    _legend(axes)
    return figure


def plot_threshold_curves(curves):
    """mIoU against the background threshold of several runs, the best of each marked.

    Args:
        curves (dict[str, dict]): Label -> ``thresholds`` ascending and ``mIoU`` in percent, lists
            of one length.

    Returns:
        matplotlib.figure.Figure

    Raises:
        ValueError: No curves, more than there are colours, or lists of different lengths or empty
            ones.
    """
    if not 0 < len(curves) <= len(COLORS):
        raise ValueError(f'one picture has room for 1 to {len(COLORS)} curves, got {len(curves)}')
    figure = Figure(figsize=(SINGLE_INCHES, 3.8), layout='constrained')
    axes = figure.add_subplot()
    for (label, curve), color in zip(curves.items(), COLORS):
        thresholds, miou = (np.asarray(curve[name], np.float64) for name in ('thresholds', 'mIoU'))
        if len(thresholds) != len(miou) or not len(miou):
            raise ValueError(
                f'{label}: a curve needs lists of one length above 0, got {len(thresholds)} '
                f'thresholds, {len(miou)} mIoU'
            )
        best = int(np.nanargmax(miou))
        axes.plot(
            thresholds,
            miou,
            color=color,
            linewidth=2,
            label=f'{label}: {miou[best]:.1f} % at {thresholds[best]:.3g}',
        )
        axes.plot(
            [thresholds[best]],
            [miou[best]],
            'o',
            color=color,
            markersize=8,
            markeredgecolor='white',
            markeredgewidth=1.5,
            zorder=5,
        )
    axes.set_ylim(bottom=0)
    axes.margins(x=0.02, y=0.12)
    _finish(axes, xlabel='background threshold', ylabel='mIoU, percent')
    _legend(axes)
    return figure


def plot_class_iou(names, series):
    """IoU of each class as horizontal bars, one colour for each series; long lists take two or
    three columns.

    Args:
        names (list[str]): Classes from top to bottom.
        series (dict): ``cam``, ``mask``, ``seg`` or any other label -> IoU of the classes in
            percent, a list in the order of ``names`` or a dict by name; a missing, None or NaN
            value draws no bar.

    Returns:
        matplotlib.figure.Figure

    Raises:
        ValueError: No classes, no series, or a list of another length than ``names``.
    """
    names, tables = [str(name) for name in names], {}
    for label, values in series.items():
        values = [values.get(name) for name in names] if isinstance(values, dict) else list(values)
        if len(values) != len(names):
            raise ValueError(f'series {label!r} has {len(values)} IoUs for {len(names)} classes')
        tables[str(label)] = np.array(
            [math.nan if value is None else value for value in values], np.float64
        )
    if not names or not tables:
        raise ValueError(
            f'per-class bars need classes and series, got {len(names)} classes and {len(tables)} '
            f'series'
        )
    columns = min(MAX_COLUMNS, math.ceil(len(names) / CLASSES_PER_COLUMN))
    per_column = math.ceil(len(names) / columns)
    bar = 0.8 / len(tables)
    row_inches = 0.14 + 0.13 * len(tables)
    figure = Figure(
        figsize=(SINGLE_INCHES if columns == 1 else DOUBLE_INCHES, 0.9 + row_inches * per_column),
        layout='constrained',
    )
    for column in range(columns):
        axes = figure.add_subplot(1, columns, column + 1)
        part = slice(column * per_column, (column + 1) * per_column)
        position = np.arange(len(names[part]))
        for index, (label, values) in enumerate(tables.items()):
            values = values[part]
            name, color = SERIES.get(label, (label, COLORS[(index + 3) % len(COLORS)]))
            center = position + (index - (len(tables) - 1) / 2) * bar
            axes.barh(center, np.nan_to_num(values), bar * 0.9, color=color, label=_plain(name))
            for y, value in zip(center, values):
                text = '–' if math.isnan(value) else f'{value:.1f}'
                axes.text(
                    np.nan_to_num(value) + 0.8,
                    y,
                    text,
                    va='center',
                    ha='left',
                    color=MUTED,
                    fontsize=7.5,
                )
        axes.set_yticks(position, [_plain(name) for name in names[part]])
        axes.set_ylim(per_column - 0.5, -0.5)
        axes.set_xlim(0, 107)
        axes.set_xticks(range(0, 101, 20))
        _finish(axes, xlabel='IoU, percent', grid='x')
        axes.tick_params(axis='y', length=0, labelsize=10, labelcolor=INK)
        axes.spines['left'].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc='outside upper center',
        ncols=len(tables),
        frameon=False,
        fontsize=10,
        labelcolor=INK,
    )
    return figure


def plot_layers(curves, *, ylabel, bands=None, levels=None):
    """A quantity of every layer of a network, a line for each network or kind of map.

    Args:
        curves (dict): Label -> values of the layers from the first to the last; networks may differ
            in depth, None or NaN leaves a gap.
        ylabel (str): Quantity and unit.
        bands (dict, optional): Label -> half the height of a band around its line, values as in
            ``curves``.
        levels (dict, optional): Label -> one value, drawn as a horizontal line.

    Returns:
        matplotlib.figure.Figure

    Raises:
        ValueError: No curve, or a band without its line.
    """
    curves = {str(label): _numbers(values) for label, values in curves.items()}
    bands = {str(label): _numbers(values) for label, values in (bands or {}).items()}
    wrong = [label for label, band in bands.items() if len(band) != len(curves.get(label, ()))]
    if not curves or wrong:
        raise ValueError(
            f'a plot of layers needs curves, and bands that fit theirs: {len(curves)} curves, '
            f'wrong bands {wrong}'
        )
    figure = Figure(figsize=(SINGLE_INCHES, 3.8), layout='constrained')
    axes = figure.add_subplot()
    for index, (label, values) in enumerate(curves.items()):
        layers, color = np.arange(1, len(values) + 1), COLORS[index % len(COLORS)]
        axes.plot(
            layers,
            values,
            color=color,
            marker='o',
            markersize=4,
            linewidth=1.8,
            label=_plain(label),
        )
        if label in bands:
            axes.fill_between(
                layers,
                values - bands[label],
                values + bands[label],
                color=color,
                alpha=0.15,
                linewidth=0,
            )
    for index, (label, value) in enumerate((levels or {}).items(), len(curves)):
        axes.axhline(
            value,
            color=COLORS[index % len(COLORS)],
            linestyle='--',
            linewidth=1.4,
            label=_plain(str(label)),
        )
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True))
    _finish(axes, xlabel='layer', ylabel=ylabel)
    _legend(axes)
    return figure


def plot_matrices(matrices, *, colormap='turbo'):
    """Square matrices as pictures side by side, each with its own range of colours, zero always in.

    Args:
        matrices (list[tuple[str, array]]): Title and (N,N) values >= 0.
        colormap (str): Name of a matplotlib colour map.

    Returns:
        matplotlib.figure.Figure

    Raises:
        ValueError: No matrix.
    """
    if not matrices:
        raise ValueError('a plot of matrices needs at least one')
    columns = min(4, len(matrices))
    rows = math.ceil(len(matrices) / columns)
    figure = Figure(figsize=(3.3 * columns, 3.5 * rows), layout='constrained')
    for index, (title, matrix) in enumerate(matrices, 1):
        axes = figure.add_subplot(rows, columns, index)
        matrix = np.asarray(matrix, np.float32)
        axes.imshow(
            matrix, cmap=colormap, vmin=0, vmax=float(matrix.max()) or 1, interpolation='nearest'
        )
        axes.set_title(_plain(title), fontsize=10, color=INK)
        axes.tick_params(colors=MUTED, labelsize=8)
    return figure


def plot_curve_families(
    positions: Sequence[float],
    curves: Mapping[str, Sequence[float | None]],
    *,
    xlabel: str,
    ylabel: str,
) -> Figure:
    """Lines over a common axis, one for each label.

    Args:
        positions: Of the values.
        curves: Label -> values; None or NaN leaves a gap.
        xlabel: Meaning of the positions.
        ylabel: Quantity and unit.

    Raises:
        ValueError: No curve, or one of another length than ``positions``.
    """
    wrong = [label for label, values in curves.items() if len(values) != len(positions)]
    if not curves or wrong:
        raise ValueError(
            f'curves need {len(positions)} values each: {len(curves)} curves, wrong {wrong}'
        )
    figure = Figure(figsize=(SINGLE_INCHES, 3.8), layout='constrained')
    axes = figure.add_subplot()
    for index, (label, values) in enumerate(curves.items()):
        style = dict(color=COLORS[index % len(COLORS)], linewidth=1.8, label=_plain(label))
        axes.plot(positions, _numbers(values), marker='o', markersize=3, **style)
    _finish(axes, xlabel=xlabel, ylabel=ylabel)
    _legend(axes)
    return figure


def plot_boxes(panels: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Distributions as boxes (quartiles, whiskers at 1.5 times their distance, medians).

    Args:
        panels: Title of a panel -> label of a box -> values.

    Raises:
        ValueError: No panel, or a box without values.
    """
    empty = [
        label for boxes in panels.values() for label, values in boxes.items() if not len(values)
    ]
    if not panels or empty:
        raise ValueError(f'boxes need values: {len(panels)} panels, empty {empty}')
    figure = Figure(figsize=(DOUBLE_INCHES, 3.8), layout='constrained')
    for number, (title, boxes) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(1, len(panels), number)
        axes.boxplot(list(boxes.values()), showfliers=False)
        axes.set_xticks(range(1, len(boxes) + 1), [_plain(label) for label in boxes])
        _finish(axes, ylabel=title, grid='y')
    return figure


def plot_picture(image_rgb: np.ndarray) -> Figure:
    """A picture as a figure of its own size, for pages that show figures.

    Args:
        image_rgb: (H,W,3) uint8.
    """
    height, width = image_rgb.shape[:2]
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(image_rgb)
    axes.set_axis_off()
    return figure


def plot_study(
    positions: Sequence[float] | Sequence[str],
    series: Mapping[str, Sequence[tuple[float | None, float | None]]],
    *,
    published: Mapping[str, Sequence[float | None]] | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
) -> Figure:
    """Results of a study: points with error bars over a number, or bars by name.

    Args:
        positions: Numbers, which become the horizontal axis, or names of the rows.
        series: Label -> mean and deviation of every row; None where there is none.
        published: Label of a series -> published values, drawn as hollow diamonds.
        xlabel: Meaning of the numbers.
        ylabel: Quantity and unit.

    Returns:
        Figure

    Raises:
        ValueError: No row, no series, or a series of another length than ``positions``.
    """
    wrong = [label for label, values in series.items() if len(values) != len(positions)]
    if not positions or not series or wrong:
        raise ValueError(
            f'a plot of a study needs rows and series of their number: {len(positions)} rows, '
            f'{len(series)} series, wrong {wrong}'
        )
    named = isinstance(positions[0], str)
    rows = np.arange(len(positions)) if named else np.asarray(positions, np.float64)
    height = 1.2 + 0.22 * len(positions) * max(2, len(series)) if named else 3.8
    figure = Figure(figsize=(SINGLE_INCHES, height), layout='constrained')
    axes = figure.add_subplot()
    for index, (label, values) in enumerate(series.items()):
        color = COLORS[index % len(COLORS)]
        means = _numbers([mean for mean, _ in values])
        deviations = np.nan_to_num(_numbers([deviation for _, deviation in values]))
        targets = _numbers((published or {}).get(label, []))
        if named:
            width = 0.8 / len(series)
            places = rows + (index - (len(series) - 1) / 2) * width
            axes.barh(
                places,
                means,
                width * 0.9,
                xerr=deviations,
                color=color,
                ecolor=INK,
                label=_plain(label),
                capsize=2,
            )
            points = (targets, places[: len(targets)])
        else:
            axes.errorbar(
                rows,
                means,
                deviations,
                color=color,
                marker='o',
                markersize=4,
                linewidth=1.8,
                capsize=3,
                label=_plain(label),
            )
            points = (rows[: len(targets)], targets)
        if np.isfinite(targets).any():
            axes.plot(
                *points,
                'D',
                markersize=6,
                markerfacecolor='none',
                markeredgecolor=color,
                label=_plain(f'{label}, published'),
            )
    if named:
        axes.set_yticks(rows, [_plain(str(name)) for name in positions])
        axes.set_ylim(len(positions) - 0.5, -0.5)
        _finish(axes, xlabel=ylabel, grid='x')
    else:
        _finish(axes, xlabel=xlabel, ylabel=ylabel)
    _legend(axes)
    return figure


def _numbers(values):
    return np.array([math.nan if value is None else value for value in values], np.float64)


def read_scalars(path):
    """Records of a scalar log of MMEngine (``<work dir>/<time>/vis_data/scalars.json``, one JSON
    object a line).

    Lines that hold no JSON object, as the last one of a killed run, are skipped.

    Returns:
        list[dict]

    Raises:
        FileNotFoundError: No such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: scalar log not found')
    records = []
    for line in path.read_text(encoding='utf-8', errors='replace').splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def plot_curves(records):
    """Classification losses, segmentation losses, learning rate and validation mIoU over training,
    a panel for each that was logged.

    A loss belongs to segmentation if its name starts with ``decode`` or ``aux`` or contains
    ``seg``. Where a resumed run logs a step again the last value counts. Long curves are smoothed
    by a moving average and the raw values stay visible behind it.

    Args:
        records (list[dict]): Logged scalars in the order of logging, see :func:`read_scalars`; of a
            resumed run, all files joined.

    Returns:
        matplotlib.figure.Figure: Says so if nothing was logged.
    """
    panels = {title: curves for title, curves in group_scalars(records).items() if curves}
    columns = min(2, max(1, len(panels)))
    rows = math.ceil(max(1, len(panels)) / columns)
    figure = Figure(
        figsize=(SINGLE_INCHES if columns == 1 else DOUBLE_INCHES, 3.8 * rows), layout='constrained'
    )
    if not panels:
        figure.text(
            0.5,
            0.5,
            'no training scalars were logged',
            ha='center',
            va='center',
            color=MUTED,
            fontsize=12,
        )
    last_step = max(
        (
            max(curve)
            for title, curves in panels.items()
            if title != 'Validation'
            for curve in curves.values()
        ),
        default=0,
    )
    for number, (title, curves) in enumerate(panels.items(), 1):
        # an odd last panel takes the whole row
        axes = figure.add_subplot(
            rows, columns, (number, rows * columns) if number == len(panels) else number
        )
        for index, (name, curve) in enumerate(curves.items()):
            steps = np.array(sorted(curve))
            values = np.array([curve[step] for step in steps.tolist()], np.float64)
            style = {
                'color': COLORS[index % len(COLORS)],
                'linestyle': ('-', '--', ':')[index // len(COLORS) % 3],
            }
            if 'losses' in title and len(steps) > SMOOTH_ABOVE:
                axes.plot(steps, values, linewidth=0.8, alpha=0.25, **style)
                values = _smooth(values, len(values) // 40)
            marker = 'o' if title == 'Validation' or len(steps) == 1 else None
            axes.plot(
                steps,
                values,
                linewidth=1.8,
                marker=marker,
                markersize=4,
                label=_plain(name),
                **style,
            )
        axes.set_title(title, loc='left', fontsize=12, fontweight='bold', color=INK)
        first, last = (
            min(min(curve) for curve in curves.values()),
            max(max(curve) for curve in curves.values()),
        )
        if first == last:
            axes.set_xlim(first - 1, first + 1)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        by_epoch = title == 'Validation' and last < last_step / 2
        _finish(
            axes,
            xlabel='epoch' if by_epoch else 'iteration',
            ylabel='percent' if title == 'Validation' else None,
        )
        if title == 'Learning rate':
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:.3g}'))
        if len(curves) > 1 or title != 'Learning rate':
            _legend(axes)
    return figure


def group_scalars(records):
    """``{panel: {name: {step: value}}}`` of the curves to draw."""
    panels = {
        'Classification losses': {},
        'Segmentation losses': {},
        'Learning rate': {},
        'Validation': {},
    }
    total = {}
    for record in records:
        step = record.get('step', record.get('iter'))
        if not _is_number(step):
            continue
        names = {name: name.removeprefix('train/').removeprefix('val/') for name in record}
        validation = any('miou' in name.lower() for name in names.values()) and not any(
            name.endswith('lr') for name in names.values()
        )
        for name, value in record.items():
            short = names[name]
            if short in NOT_METRICS or not _is_number(value):
                continue
            if validation:
                curves = panels['Validation'] if 'miou' in short.lower() else None
            elif short == 'loss':
                curves = {short: total}
            elif 'loss' in short:
                segmentation = short.startswith(('decode', 'aux')) or 'seg' in short.lower()
                curves = panels['Segmentation losses' if segmentation else 'Classification losses']
            else:
                curves = (
                    panels['Learning rate']
                    if short == 'lr' or short.endswith(('.lr', '/lr'))
                    else None
                )
            if curves is not None:
                curves.setdefault(short, {})[step] = value if math.isfinite(value) else math.nan
    parts = len(panels['Classification losses']) + len(panels['Segmentation losses'])
    if total and parts != 1:
        title = (
            'Classification losses'
            if panels['Classification losses'] or not parts
            else 'Segmentation losses'
        )
        panels[title] = {'total': total, **panels[title]}
    return panels


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _plain(text):
    """``text`` shortened, with dollar signs that do not start a formula."""
    return (text if len(text) <= MAX_NAME else f'{text[: MAX_NAME - 1]}…').replace('$', r'\$')


def _smooth(values, window):
    """Centred moving average over the finite values in reach; NaN stays NaN."""
    kernel = np.ones(2 * (window // 2) + 1)
    finite = np.isfinite(values)
    average = np.convolve(np.where(finite, values, 0), kernel, 'same') / np.maximum(
        np.convolve(finite, kernel, 'same'), 1
    )
    return np.where(finite, average, np.nan)


def _finish(axes, *, xlabel=None, ylabel=None, grid='both'):
    axes.set_facecolor('none')
    axes.set_axisbelow(True)
    axes.grid(axis=grid, color=GRID, linewidth=0.8)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ('left', 'bottom'))
        spine.set_color('#9ca3af')
    axes.tick_params(colors=MUTED, labelsize=10)
    for set_label, text in ((axes.set_xlabel, xlabel), (axes.set_ylabel, ylabel)):
        if text is not None:
            set_label(text, color=INK, fontsize=10.5)


def _legend(axes):
    axes.legend(frameon=True, framealpha=0.0, edgecolor='none', fontsize=9.5, labelcolor=INK)
