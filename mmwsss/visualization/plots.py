"""Figures of a run: threshold curve, IoU of each class, training curves. They are drawn without
pyplot, so that no global state changes.
"""

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike, NDArray

# Okabe and Ito, "Color Universal Design" (2008): distinguishable with every common form of colour
# blindness
COLORS = ('#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#7f7f7f', '#b8a900')
# key of a series in plot_class_iou -> label and colour; the cards of the report use the same
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
CLASSIFICATION, SEGMENTATION = 'Classification losses', 'Segmentation losses'
PANELS = (CLASSIFICATION, SEGMENTATION, 'Learning rate', 'Validation')
Curves = dict[str, dict[float, float]]  # name -> step -> value
NOT_METRICS = ('time', 'data_time', 'memory', 'epoch', 'iter', 'step')


def figure_to_png(figure: Figure, *, dpi: int = 160, transparent: bool = False) -> bytes:
    """PNG bytes of a figure.

    Args:
        figure (matplotlib.figure.Figure): Figure whose size in inches times ``dpi`` is the size of
            the picture in pixels.
        dpi (int): Dots per inch.
        transparent (bool): Leave out the white background.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=dpi, facecolor='none' if transparent else 'white')
    return buffer.getvalue()


def plot_threshold_curve(curve: Mapping[str, Any]) -> Figure:
    """mIoU, false positives and false negatives against the background threshold, with the best
    mIoU marked.

    Args:
        curve (dict): Lists of the same length: ``thresholds`` ascending, ``mIoU`` in percent and,
            optionally, ``FP`` and ``FN`` in percent (the means over classes of (P-TP)/union and
            (T-TP)/union, which add up to 100 with mIoU).

    Returns:
        matplotlib.figure.Figure

    Raises:
        ValueError: Lists have different lengths or are empty.
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
    styles = zip((COLORS[0], COLORS[3], COLORS[2]), ('-', '--', ':'), (2.2, 1.6, 1.6))
    for (name, values), (color, dashes, width) in zip(lines.items(), styles):
        style: dict[str, Any] = dict(color=color, linestyle=dashes, linewidth=width)
        axes.plot(thresholds, values, label=names[name], **style)
    if np.isfinite(lines['mIoU']).any():
        best = int(np.nanargmax(lines['mIoU']))
        x, y = thresholds[best], lines['mIoU'][best]
        axes.axvline(x, color=COLORS[0], linewidth=1, alpha=0.35)
        _mark_best(axes, x, y, COLORS[0])
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


def plot_threshold_curves(curves: Mapping[str, Mapping[str, Any]]) -> Figure:
    """mIoU against the background threshold of several runs, with the best value of each marked.

    Args:
        curves (dict[str, dict]): Label -> ``thresholds`` ascending and ``mIoU`` in percent, lists
            of the same length.

    Returns:
        matplotlib.figure.Figure

    Raises:
        ValueError: There are no curves or more than colours, or lists have different lengths or are
            empty.
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
        name = f'{label}: {miou[best]:.1f} % at {thresholds[best]:.3g}'
        axes.plot(thresholds, miou, color=color, linewidth=2, label=name)
        _mark_best(axes, thresholds[best], miou[best], color)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.02, y=0.12)
    _finish(axes, xlabel='background threshold', ylabel='mIoU, percent')
    _legend(axes)
    return figure


def _mark_best(axes: Axes, x: float, y: float, color: str) -> None:
    """A dot with a white rim."""
    style: dict[str, Any] = dict(markersize=8, markeredgecolor='white', markeredgewidth=1.5)
    axes.plot([x], [y], 'o', color=color, zorder=5, **style)


def plot_class_iou(names: Sequence[str], series: Mapping[str, Any]) -> Figure:
    """IoU of each class as horizontal bars, one colour for each series; long lists are arranged in
    two or three columns.

    Args:
        names (list[str]): Classes from top to bottom.
        series (dict): ``cam``, ``mask``, ``seg`` or any other label -> IoU of the classes in
            percent, a list in the order of ``names`` or a dict by name; a value that is missing,
            None or NaN has no bar.

    Returns:
        matplotlib.figure.Figure

    Raises:
        ValueError: There are no classes or no series, or a list differs in length from ``names``.
    """
    names = [str(name) for name in names]
    tables: dict[str, NDArray[np.float64]] = {}
    for label, values in series.items():
        values = [values.get(name) for name in names] if isinstance(values, dict) else list(values)
        if len(values) != len(names):
            raise ValueError(f'series {label!r} has {len(values)} IoUs for {len(names)} classes')
        tables[str(label)] = _numbers(values)
    if not names or not tables:
        raise ValueError(
            f'per-class bars need classes and series, got {len(names)} classes and {len(tables)} '
            f'series'
        )
    columns = min(MAX_COLUMNS, math.ceil(len(names) / CLASSES_PER_COLUMN))
    per_column = math.ceil(len(names) / columns)
    row_inches = 0.14 + 0.13 * len(tables)
    figure = Figure(
        figsize=(SINGLE_INCHES if columns == 1 else DOUBLE_INCHES, 0.9 + row_inches * per_column),
        layout='constrained',
    )
    for column in range(columns):
        axes = figure.add_subplot(1, columns, column + 1)
        part = slice(column * per_column, (column + 1) * per_column)
        _draw_bars(axes, names[part], {label: values[part] for label, values in tables.items()})
        axes.set_ylim(per_column - 0.5, -0.5)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    style: dict[str, Any] = dict(frameon=False, fontsize=10, labelcolor=INK)
    figure.legend(handles, labels, loc='outside upper center', ncols=len(tables), **style)
    return figure


def _draw_bars(axes: Axes, names: Sequence[str], tables: Mapping[str, NDArray[np.float64]]) -> None:
    """Horizontal bars of one column of classes, each followed by its value."""
    position, bar = np.arange(len(names)), 0.8 / len(tables)
    for index, (label, values) in enumerate(tables.items()):
        name, color = SERIES.get(label, (label, COLORS[(index + 3) % len(COLORS)]))
        center = position + (index - (len(tables) - 1) / 2) * bar
        axes.barh(center, np.nan_to_num(values), bar * 0.9, color=color, label=_plain(name))
        for y, value in zip(center, values):
            text = '–' if math.isnan(value) else f'{value:.1f}'
            style: dict[str, Any] = dict(va='center', ha='left', color=MUTED, fontsize=7.5)
            axes.text(np.nan_to_num(value) + 0.8, y, text, **style)
    axes.set_yticks(position, [_plain(name) for name in names])
    axes.set_xlim(0, 107)
    axes.set_xticks(range(0, 101, 20))
    _finish(axes, xlabel='IoU, percent', grid='x')
    axes.tick_params(axis='y', length=0, labelsize=10, labelcolor=INK)
    axes.spines['left'].set_visible(False)


def plot_layers(
    curves: Mapping[str, Sequence[float | None]],
    *,
    ylabel: str,
    bands: Mapping[str, Sequence[float | None]] | None = None,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """A quantity over the layers of a network, with one line per network or kind of map.

    Args:
        curves (dict): Label -> values of the layers from the first to the last; networks may differ
            in depth, and None or NaN leaves a gap.
        ylabel (str): Quantity and unit.
        bands (dict, optional): Label -> half the height of a band around its line, values as in
            ``curves``.
        levels (dict, optional): Label -> one value, drawn as a horizontal line.

    Returns:
        matplotlib.figure.Figure

    Raises:
        ValueError: There is no curve, or a band has no line.
    """
    lines = {str(label): _numbers(values) for label, values in curves.items()}
    heights = {str(label): _numbers(values) for label, values in (bands or {}).items()}
    wrong = [label for label, band in heights.items() if len(band) != len(lines.get(label, ()))]
    if not lines or wrong:
        raise ValueError(
            f'a plot of layers needs curves, and bands that fit theirs: {len(curves)} curves, '
            f'wrong bands {wrong}'
        )
    figure = Figure(figsize=(SINGLE_INCHES, 3.8), layout='constrained')
    axes = figure.add_subplot()
    for index, (label, values) in enumerate(lines.items()):
        layers, color = np.arange(1, len(values) + 1), COLORS[index % len(COLORS)]
        style: dict[str, Any] = dict(color=color, linewidth=1.8, label=_plain(label))
        axes.plot(layers, values, marker='o', markersize=4, **style)
        if label in heights:
            low, high = values - heights[label], values + heights[label]
            axes.fill_between(layers, low, high, color=color, alpha=0.15, linewidth=0)
    for index, (label, value) in enumerate((levels or {}).items(), len(lines)):
        style = dict(color=COLORS[index % len(COLORS)], linewidth=1.4, label=_plain(str(label)))
        axes.axhline(value, linestyle='--', **style)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True))
    _finish(axes, xlabel='layer', ylabel=ylabel)
    _legend(axes)
    return figure


def plot_matrices(matrices: Sequence[tuple[str, ArrayLike]], *, colormap: str = 'turbo') -> Figure:
    """Square matrices as pictures side by side, each with a separate colour range that includes
    zero.

    Args:
        matrices (list[tuple[str, array]]): Title and (N,N) values >= 0.
        colormap (str): Name of a matplotlib colour map.

    Returns:
        matplotlib.figure.Figure

    Raises:
        ValueError: There is no matrix.
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
    """Lines over a common axis, one per label.

    Args:
        positions: Positions of the values.
        curves: Label -> values; None or NaN leaves a gap.
        xlabel: Meaning of the positions.
        ylabel: Quantity and unit.

    Raises:
        ValueError: There is no curve, or one differs in length from ``positions``.
    """
    wrong = [label for label, values in curves.items() if len(values) != len(positions)]
    if not curves or wrong:
        raise ValueError(
            f'curves need {len(positions)} values each: {len(curves)} curves, wrong {wrong}'
        )
    figure = Figure(figsize=(SINGLE_INCHES, 3.8), layout='constrained')
    axes = figure.add_subplot()
    for index, (label, values) in enumerate(curves.items()):
        color = COLORS[index % len(COLORS)]
        style: dict[str, Any] = dict(color=color, linewidth=1.8, label=_plain(label))
        axes.plot(positions, _numbers(values), marker='o', markersize=3, **style)
    _finish(axes, xlabel=xlabel, ylabel=ylabel)
    _legend(axes)
    return figure


def plot_boxes(panels: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Distributions as boxes (quartiles, whiskers at 1.5 times their distance, medians).

    Args:
        panels: Title of a panel -> label of a box -> values.

    Raises:
        ValueError: There is no panel, or a box has no values.
    """
    labelled = chain.from_iterable(boxes.items() for boxes in panels.values())
    empty = [label for label, values in labelled if not len(values)]
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
    """A picture as a figure of the same size, for pages that show figures.

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
    """Results of a study as points with error bars over a number, or as bars by name.

    Args:
        positions: Numbers for the horizontal axis, or names of the rows.
        series: Label -> mean and deviation of every row; None for missing values.
        published: Label of a series -> published values, drawn as hollow diamonds.
        xlabel: Meaning of the numbers.
        ylabel: Quantity and unit.

    Returns:
        Figure

    Raises:
        ValueError: There is no row or no series, or a series differs in length from ``positions``.
    """
    wrong = [label for label, values in series.items() if len(values) != len(positions)]
    if not positions or not series or wrong:
        raise ValueError(
            f'a plot of a study needs rows and series of their number: {len(positions)} rows, '
            f'{len(series)} series, wrong {wrong}'
        )
    named = isinstance(positions[0], str)
    points: tuple[NDArray[Any], NDArray[Any]]
    rows: NDArray[Any] = np.arange(len(positions)) if named else np.asarray(positions, np.float64)
    height = 1.2 + 0.22 * len(positions) * max(2, len(series)) if named else 3.8
    figure = Figure(figsize=(SINGLE_INCHES, height), layout='constrained')
    axes = figure.add_subplot()
    for index, (label, values) in enumerate(series.items()):
        targets = _numbers((published or {}).get(label, []))
        means = _numbers([mean for mean, _ in values])
        deviations = np.nan_to_num(_numbers([deviation for _, deviation in values]))
        style: dict[str, Any] = dict(color=COLORS[index % len(COLORS)], label=_plain(label))
        if named:
            width = 0.8 / len(series)
            places = rows + (index - (len(series) - 1) / 2) * width
            axes.barh(places, means, width * 0.9, xerr=deviations, ecolor=INK, capsize=2, **style)
            points = (targets, places[: len(targets)])
        else:
            style.update(marker='o', markersize=4, linewidth=1.8)
            axes.errorbar(rows, means, deviations, capsize=3, **style)
            points = (rows[: len(targets)], targets)
        if np.isfinite(targets).any():
            hollow = dict(markerfacecolor='none', markeredgecolor=style['color'], markersize=6)
            axes.plot(*points, 'D', label=_plain(f'{label}, published'), **hollow)
    if named:
        axes.set_yticks(rows, [_plain(str(name)) for name in positions])
        axes.set_ylim(len(positions) - 0.5, -0.5)
        _finish(axes, xlabel=ylabel, grid='x')
    else:
        _finish(axes, xlabel=xlabel, ylabel=ylabel)
    _legend(axes)
    return figure


def _numbers(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([math.nan if value is None else value for value in values], np.float64)


def read_scalars(path: str | Path) -> list[dict[str, Any]]:
    """Records of a scalar log of MMEngine (``<work dir>/<time>/vis_data/scalars.json``, one JSON
    object a line).

    Lines without a JSON object, such as the last one of a killed run, are skipped.

    Returns:
        list[dict]

    Raises:
        FileNotFoundError: The file does not exist.
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


def plot_curves(records: Iterable[Mapping[str, Any]]) -> Figure:
    """Classification losses, segmentation losses, learning rate and validation mIoU over training,
    with one panel for each that was logged.

    A loss belongs to segmentation if its name starts with ``decode`` or ``aux`` or contains
    ``seg``. If a resumed run logs a step again, the last value is used. Long curves are smoothed by
    a moving average, and the raw values stay visible behind it.

    Args:
        records (list[dict]): Logged scalars in the order of logging, see :func:`read_scalars`; for
            a resumed run, those of all files.

    Returns:
        matplotlib.figure.Figure: The figure, which contains a message if nothing was logged.
    """
    panels = {title: curves for title, curves in group_scalars(records).items() if curves}
    columns = min(2, max(1, len(panels)))
    rows = math.ceil(max(1, len(panels)) / columns)
    figure = Figure(
        figsize=(SINGLE_INCHES if columns == 1 else DOUBLE_INCHES, 3.8 * rows), layout='constrained'
    )
    if not panels:
        style: dict[str, Any] = dict(ha='center', va='center', color=MUTED, fontsize=12)
        figure.text(0.5, 0.5, 'no training scalars were logged', **style)
    training = [curves for title, curves in panels.items() if title != 'Validation']
    last_step = max((_steps(curves)[1] for curves in training), default=0)
    for number, (title, curves) in enumerate(panels.items(), 1):
        # an odd last panel spans the whole row
        axes = figure.add_subplot(
            rows, columns, (number, rows * columns) if number == len(panels) else number
        )
        _draw_training_panel(axes, title, curves, last_step)
    return figure


def _draw_training_panel(axes: Axes, title: str, curves: Curves, last_step: float) -> None:
    """The curves of one panel; ``last_step`` is that of the losses and the learning rate."""
    for index, (name, curve) in enumerate(curves.items()):
        steps = np.array(sorted(curve))
        values = np.array([curve[step] for step in steps.tolist()], np.float64)
        dashes = ('-', '--', ':')[index // len(COLORS) % 3]
        style: dict[str, Any] = dict(color=COLORS[index % len(COLORS)], linestyle=dashes)
        if 'losses' in title and len(steps) > SMOOTH_ABOVE:
            axes.plot(steps, values, linewidth=0.8, alpha=0.25, **style)
            values = _smooth(values, len(values) // 40)
        style['marker'] = 'o' if title == 'Validation' or len(steps) == 1 else None
        axes.plot(steps, values, linewidth=1.8, markersize=4, label=_plain(name), **style)
    axes.set_title(title, loc='left', fontsize=12, fontweight='bold', color=INK)
    first, last = _steps(curves)
    if first == last:
        axes.set_xlim(first - 1, first + 1)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    by_epoch = title == 'Validation' and last < last_step / 2
    ylabel = 'percent' if title == 'Validation' else None
    _finish(axes, xlabel='epoch' if by_epoch else 'iteration', ylabel=ylabel)
    if title == 'Learning rate':
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:.3g}'))
    if len(curves) > 1 or title != 'Learning rate':
        _legend(axes)


def _steps(curves: Curves) -> tuple[float, float]:
    """First and last step of a panel."""
    steps = set().union(*curves.values())
    return min(steps), max(steps)


def group_scalars(records: Iterable[Mapping[str, Any]]) -> dict[str, Curves]:
    """``{panel: {name: {step: value}}}`` of the curves to draw."""
    panels: dict[str, Curves] = {title: {} for title in PANELS}
    total: dict[float, float] = {}
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
            number = value if math.isfinite(value) else math.nan
            panel = _panel_of(short, validation)
            if panel is not None:
                panels[panel].setdefault(short, {})[step] = number
            elif short == 'loss' and not validation:
                total[step] = number
    parts = len(panels[CLASSIFICATION]) + len(panels[SEGMENTATION])
    if total and parts != 1:
        title = CLASSIFICATION if panels[CLASSIFICATION] or not parts else SEGMENTATION
        panels[title] = {'total': total, **panels[title]}
    return panels


def _panel_of(name: str, validation: bool) -> str | None:
    """Panel of a scalar of training or validation; None if it is not drawn directly."""
    if validation:
        return 'Validation' if 'miou' in name.lower() else None
    if name == 'loss':  # the sum of the other losses
        return None
    if 'loss' in name:
        of_segmentation = name.startswith(('decode', 'aux')) or 'seg' in name.lower()
        return SEGMENTATION if of_segmentation else CLASSIFICATION
    return 'Learning rate' if name == 'lr' or name.endswith(('.lr', '/lr')) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _plain(text: str) -> str:
    """``text`` shortened, with dollar signs that do not start a formula."""
    return (text if len(text) <= MAX_NAME else f'{text[: MAX_NAME - 1]}…').replace('$', r'\$')


def _smooth(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Centred moving average over the finite values in the window; NaN stays NaN."""
    kernel = np.ones(2 * (window // 2) + 1)
    finite = np.isfinite(values)
    average = np.convolve(np.where(finite, values, 0), kernel, 'same') / np.maximum(
        np.convolve(finite, kernel, 'same'), 1
    )
    return np.where(finite, average, np.nan)


def _finish(
    axes: Axes,
    *,
    xlabel: str | None = None,
    ylabel: str | None = None,
    grid: Literal['both', 'x', 'y'] = 'both',
) -> None:
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


def _legend(axes: Axes) -> None:
    axes.legend(frameon=True, framealpha=0.0, edgecolor='none', fontsize=9.5, labelcolor=INK)
