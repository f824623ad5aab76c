"""Command line options for photos of more than 8 bits and with transparent pixels."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the tools add these options before other imports
    from mmengine.config import Config

RANGES = ('percentile', 'full')


def add_photo_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--alpha-color`` and ``--value-range`` to a tool."""
    parser.add_argument(
        '--alpha-color',
        type=color,
        metavar='R,G,B',
        help='colour that transparent pixels show (default 255,255,255: white)',
    )
    parser.add_argument(
        '--value-range',
        type=value_range,
        metavar='RULE',
        help='photos of more than 8 bits: values that become black and white: percentile (of each '
        'photo, 0.5th and 99.5th; the default), full (of the type) or LOW,HIGH',
    )


def color(text: str) -> tuple[int, int, int]:
    """Parse a colour such as ``255,255,255``."""
    values = _numbers(text)
    if len(values) != 3 or any(not 0 <= value <= 255 or value % 1 for value in values):
        raise argparse.ArgumentTypeError(f'{text!r}: expected R,G,B, each from 0 to 255')
    red, green, blue = map(int, values)
    return red, green, blue


def value_range(text: str) -> str | tuple[float, float]:
    """Parse ``percentile``, ``full`` or a range such as ``0,4095``."""
    if text in RANGES:
        return text
    values = _numbers(text)
    if len(values) != 2 or not values[0] < values[1] < float('inf'):
        raise argparse.ArgumentTypeError(
            f'{text!r}: expected percentile, full or LOW,HIGH with LOW < HIGH'
        )
    return values[0], values[1]


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(',')]
    except ValueError:
        return []


def photo_options(args: argparse.Namespace) -> dict[str, Any]:
    """Options of :func:`mmwsss.utils.io.read_image` that were given on the command line."""
    given = dict(alpha_color=args.alpha_color, value_range=args.value_range)
    return {name: value for name, value in given.items() if value is not None}


def set_photos(config: Config, args: argparse.Namespace) -> None:
    """Apply the options of the command line to every :class:`~mmwsss.datasets.transforms.LoadImage`
    of a config.
    """
    options = photo_options(args)
    for step in _steps(config._cfg_dict) if options else ():
        step.update(options)


def _steps(node: Any) -> Iterator[Any]:
    """Every ``dict(type='mmwsss.LoadImage')`` below a node of a config."""
    if isinstance(node, Mapping):
        if str(node.get('type')).rpartition('.')[2] == 'LoadImage':
            yield node
        for value in node.values():
            yield from _steps(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _steps(value)
