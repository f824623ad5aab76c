"""Tables as plain text, for logs and terminals, and for LaTeX."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table


def _cell(value: Any) -> str:
    """Text of a cell, without the markup of rich."""
    if value is None:
        return '-'
    text = f'{value:.2f}' if isinstance(value, float) else str(value)
    return text.replace('[', r'\[')


def text_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None
) -> str:
    """Render a table in ASCII, ready to be pasted into Markdown.

    Args:
        columns (Sequence[str]): Headers; all columns but the first are right-aligned.
        rows (Iterable[Sequence]): Cells; floats are shown with two decimals, None as ``-``.
        title (str, optional): Line above the table.

    Returns:
        str: Lines without a final line end.
    """
    table = Table(box=box.MARKDOWN)
    for number, column in enumerate(columns):
        table.add_column(str(column), justify='right' if number else 'left', no_wrap=True)
    for row in rows:
        table.add_row(*map(_cell, row))
    text = io.StringIO()
    console = Console(
        file=text,
        width=10000,
        color_system=None,
        force_terminal=False,
        legacy_windows=False,
    )
    console.print(table)
    lines = [line.rstrip() for line in text.getvalue().splitlines() if line.strip()]
    return '\n'.join(lines if title is None else [title, *lines])


def latex_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], notes: Iterable[str] = ()
) -> str:
    """Render a table as a ``tabular`` with the rules of the booktabs package.

    Args:
        columns: Headers; all columns but the first are right-aligned.
        rows: Cells; floats are shown with two decimals, None as ``--``, ``±`` as ``$\\pm$``.
        notes: Comment lines above the table.

    Returns:
        Lines with a final line end.
    """
    lines = [
        *(f'% {note}' for note in notes),
        rf'\begin{{tabular}}{{l{"r" * (len(columns) - 1)}}}',
        r'\toprule',
        ' & '.join(map(_latex, columns)) + r' \\',
        r'\midrule',
        *(' & '.join(map(_latex, row)) + r' \\' for row in rows),
        r'\bottomrule',
        r'\end{tabular}',
    ]
    return '\n'.join([*lines, ''])


def _latex(cell: object) -> str:
    """A cell with the special characters of LaTeX escaped."""
    if cell is None:
        return '--'
    text = f'{cell:.2f}' if isinstance(cell, float) else str(cell)
    text = text.replace('\\', r'\textbackslash ')
    for sign in '&%$#_{}':
        text = text.replace(sign, f'\\{sign}')
    return text.replace('±', r'$\pm$')
