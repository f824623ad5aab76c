"""The table of a study: mean and deviation over seeds next to the published values."""

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from mmwsss.apis.grid import Column, Grid
from mmwsss.utils.io import atomic_open, read_json, write_json
from mmwsss.utils.tables import latex_table, text_table
from mmwsss.visualization import figure_to_png, plot_study

PUBLISHED = 'published'


class Value(NamedTuple):
    """Values of one row and column over the seeds.

    Attributes:
        seeds: Value by seed; runs that have not ended are missing.
        mean: Mean of the values; None without a value.
        deviation: Sample standard deviation (divisor n - 1); None for fewer than two values.
    """

    seeds: dict[int, float]
    mean: float | None
    deviation: float | None


def write_tables(grid: Grid) -> str:
    """Write ``table.json``, ``table.md``, ``table.csv``, ``table.tex`` and ``plot.png``.

    Args:
        grid: Study of which some or all runs have ended.

    Returns:
        The table as text.

    Raises:
        ValueError: A run has ended without the number of a column. The message names its file.
    """
    values = collect_values(grid)
    header, rows = _cells(grid, values)
    text = text_table(header, rows, grid.spec.get('title', grid.name))
    notes = _notes(grid)
    folder = grid.work_dir
    _write(folder / 'table.md', f'{_markdown(text)}\n' + ''.join(f'\n{note}\n' for note in notes))
    _write(folder / 'table.csv', _csv(grid, values))
    _write(folder / 'table.tex', latex_table(header, rows, notes))
    write_json(folder / 'table.json', _json(grid, values))
    cells = chain.from_iterable(row.values() for row in values)
    measured = any(cell.mean is not None for cell in cells)
    if measured and grid.spec.get('plot', {}) is not None:
        with atomic_open(folder / 'plot.png') as file:
            file.write(figure_to_png(_plot(grid, values)))
    return '\n'.join([text, *notes])


def collect_values(grid: Grid) -> list[dict[str, Value]]:
    """Values of every row by the name of the column."""
    found: list[dict[str, dict[int, float]]] = []
    for _ in grid.rows:
        found.append({column.name: {} for column in grid.columns})
    for cell in grid.cells:
        for column in grid.columns:
            place = grid.place_of(cell.row, column)
            if place is None:
                continue
            test, key = place
            file = cell.file_of(test)
            if file is None:
                continue
            value = read_json(file).get(key) if file.is_file() else None
            if not isinstance(value, (int, float)):
                raise ValueError(f'{file}: has no number {key!r} for column {column.name!r}')
            found[cell.row][column.name][cell.seed] = float(value)
    return [{name: _summary(seeds) for name, seeds in row.items()} for row in found]


def _summary(seeds: dict[int, float]) -> Value:
    numbers = list(seeds.values())
    return Value(
        seeds,
        statistics.fmean(numbers) if numbers else None,
        statistics.stdev(numbers) if len(numbers) > 1 else None,
    )


def _has_published(grid: Grid, column: Column) -> bool:
    return any(column.name in row.get('published', {}) for row in grid.rows)


def _cells(
    grid: Grid, values: Sequence[Mapping[str, Value]]
) -> tuple[list[str], list[list[str | None]]]:
    """Header and rows of the printed tables."""
    header = ['row', 'seeds']
    for column in grid.columns:
        header.append(column.title)
        if _has_published(grid, column):
            header.append(PUBLISHED if len(grid.columns) == 1 else f'{column.title}, {PUBLISHED}')
    rows = []
    for row, found in zip(grid.rows, values):
        finished = max(len(value.seeds) for value in found.values())
        runs = None if row.get('reference') else f'{finished}/{len(grid.seeds)}'
        cells: list[str | None] = [row['name'], runs]
        for column in grid.columns:
            cells.append(_number(found[column.name], column.digits))
            if _has_published(grid, column):
                published = row.get('published', {}).get(column.name)
                cells.append(None if published is None else str(published))
        rows.append(cells)
    return header, rows


def _number(value: Value, digits: int) -> str | None:
    if value.mean is None:
        return None
    text = f'{value.mean:.{digits}f}'
    return text if value.deviation is None else f'{text} ± {value.deviation:.{digits}f}'


def _notes(grid: Grid) -> list[str]:
    """Lines below a table."""
    notes = [
        f'Mean and standard deviation (n - 1) over the seeds {", ".join(map(str, grid.seeds))}.'
        if len(grid.seeds) > 1
        else f'Seed {grid.seeds[0]}.'
    ]
    if any(row.get('published') for row in grid.rows):
        notes.append(f'Published: {grid.spec.get("source", "see the paper")}.')
    if grid.spec.get('note'):
        notes.append(str(grid.spec['note']))
    return notes


def _markdown(text: str) -> str:
    """A text table with a blank line below its title."""
    title, table = text.split('\n', 1)
    return f'{title}\n\n{table}'


def _csv(grid: Grid, values: Sequence[Mapping[str, Value]]) -> str:
    """One line per row and column, with the value of every seed in a separate column."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow(
        ['row', 'column', 'key', 'mean', 'deviation', 'published', 'source']
        + [f'seed {seed}' for seed in grid.seeds]
    )
    for row, found in zip(grid.rows, values):
        for column in grid.columns:
            value = found[column.name]
            published = row.get('published', {}).get(column.name)
            source = row.get('source', grid.spec.get('source', '')) if published is not None else ''
            entries = [row['name'], column.name, column.key, value.mean, value.deviation]
            entries += [published, source, *(value.seeds.get(seed) for seed in grid.seeds)]
            writer.writerow(['' if entry is None else entry for entry in entries])
    return stream.getvalue()


def _json(grid: Grid, values: Sequence[Mapping[str, Value]]) -> dict[str, Any]:
    return dict(
        title=grid.spec.get('title', grid.name),
        source=grid.spec.get('source'),
        note=grid.spec.get('note'),
        seeds=grid.seeds,
        columns={column.name: column._asdict() for column in grid.columns},
        rows=[_json_row(grid, index, found) for index, found in enumerate(values)],
    )


def _json_row(grid: Grid, index: int, found: Mapping[str, Value]) -> dict[str, Any]:
    row = grid.rows[index]
    folders = {cell.seed: cell.run.folder for cell in grid.cells if cell.row == index}
    return dict(
        name=row['name'],
        options=row.get('options', {}),
        test_options=row.get('test_options', {}),
        published=row.get('published', {}),
        values={
            name: dict(mean=value.mean, deviation=value.deviation, seeds=value.seeds)
            for name, value in found.items()
        },
        runs={str(seed): str(path.relative_to(grid.work_dir)) for seed, path in folders.items()},
    )


def _plot(grid: Grid, values: Sequence[Mapping[str, Value]]) -> Any:
    plot = grid.spec.get('plot') or {}
    names = plot.get('columns') or [column.name for column in grid.columns]
    chosen = [column for column in grid.columns if column.name in names]
    given = [row.get('published', {}) for row in grid.rows]
    series: dict[str, list[tuple[float | None, float | None]]] = {}
    published: dict[str, list[float | None]] = {}
    for column in chosen:
        found = [row[column.name] for row in values]
        series[column.title] = [(value.mean, value.deviation) for value in found]
        if _has_published(grid, column):
            published[column.title] = [numbers.get(column.name) for numbers in given]
    numbers: list[Any] = [row.get('x') for row in grid.rows]
    by_number = all(isinstance(x, (int, float)) and math.isfinite(x) for x in numbers)
    return plot_study(
        numbers if by_number else [row['name'] for row in grid.rows],
        series,
        published=published,
        xlabel=plot.get('xlabel'),
        ylabel=plot.get('ylabel', 'percent'),
    )


def _write(path: Path, text: str) -> None:
    with atomic_open(path, 'w', encoding='utf-8') as file:
        file.write(text)
