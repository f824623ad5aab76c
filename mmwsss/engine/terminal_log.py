"""Terminal log of a training run with one short line per interval. Files and the logs of Slurm keep
all numbers.
"""

import io
import logging
import os
import re

import torch
from rich.console import Console
from rich.text import Text

from mmwsss.utils.memory import peak_memory

TRAINING = re.compile(r'(Epoch|Iter)\(train\) +(?:\[(\d+)\])?\[ *(\d+)/ *(\d+)\]')
MOST_LOSSES = 3  # the largest ones, in addition to their sum


class TerminalFormatter(logging.Formatter):
    """Shortens the log lines of a training run and passes all others to another formatter.

    Args:
        full (logging.Formatter): Formatter of the other lines.
        color (bool): Whether the terminal shows colours.
    """

    def __init__(self, full: logging.Formatter, *, color: bool = True) -> None:
        super().__init__()
        self.full = full
        self.color = color

    def format(self, record: logging.LogRecord) -> str:
        """Format one line."""
        parts = short_parts(record.getMessage())
        if not parts:
            return self.full.format(record)
        styles = ('bold', 'cyan', 'green', 'dim', '')
        text = Text('  ').join(Text(part, style) for part, style in zip(parts, styles) if part)
        if not self.color:
            return text.plain
        stream = io.StringIO()
        Console(file=stream, force_terminal=True, width=1000).print(text, end='')
        return stream.getvalue()


def short_parts(message: str) -> tuple[str, str, str, str, str] | None:
    """Position, rate, remaining time, memory and losses of a line of MMEngine's log processor.

    Args:
        message: Line of a logger.

    Returns:
        The five texts, of which some may be empty; None for other lines.
    """
    found = TRAINING.search(message)
    if not found:
        return None
    values = {}
    for entry in re.split(r' {2,}', message[found.end() :]):
        name, colon, value = entry.partition(': ')
        if colon:
            values[name.strip().rpartition(' ')[2]] = value.strip()
    kind, epoch, step, steps = found.groups()
    place = f'{kind.lower()} {f"{epoch} " if epoch else ""}[{step}/{steps}]'
    seconds = float(values.get('time', 0))
    rate = f'{1 / seconds:.2f} it/s' if seconds else ''
    left = f'{values["eta"]} left' if 'eta' in values else ''
    memory = values.get('memory') or str(peak_memory(torch.device('cpu')) >> 20)
    return place, rate, left, f'{memory} MiB', _losses(values)


def _losses(values: dict[str, str]) -> str:
    """Sum of the losses and the largest of them."""
    single = {
        name.rpartition('loss_')[2]: float(value)
        for name, value in values.items()
        if 'loss_' in name
    }
    largest = sorted(single, key=lambda name: -abs(single[name]))[:MOST_LOSSES]
    named = ', '.join(f'{name} {single[name]:.3g}' for name in single if name in largest)
    total = f'loss {float(values["loss"]):.4g}' if 'loss' in values else ''
    return f'{total} ({named})' if total and len(single) > 1 else total or named


def shorten_terminal_lines(logger: logging.Logger) -> None:
    """Set a :class:`TerminalFormatter` for all handlers of a logger that write to a terminal."""
    for handler in logger.handlers:
        stream = getattr(handler, 'stream', None)
        is_file = isinstance(handler, logging.FileHandler)
        if is_file or stream is None or not getattr(stream, 'isatty', bool)():
            continue
        if not isinstance(handler.formatter, TerminalFormatter):
            color = 'NO_COLOR' not in os.environ
            full = handler.formatter or logging.Formatter()
            handler.setFormatter(TerminalFormatter(full, color=color))
