"""Common options of command line tools, without heavy imports."""

import argparse
import os
from pathlib import Path

from mmwsss.utils.cli_options import DictAction


def add_launch_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``, ``--launcher`` and ``--local_rank`` to a tool that builds a runner."""
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    parser.add_argument('--launcher', choices=('none', 'pytorch', 'slurm', 'mpi'), default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def parse_launched(
    parser: argparse.ArgumentParser, argv: list[str] | None = None
) -> argparse.Namespace:
    """Parse the arguments of such a tool; ``LOCAL_RANK`` is set if the launcher did not set it."""
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def add_tag_name_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--rename``, ``--class-map``, ``--level`` and ``--separator`` to a tool that reads tags
    of a user.
    """
    parser.add_argument(
        '--rename',
        nargs='+',
        type=renaming,
        default=[],
        metavar='A=B',
        help='join tags: A is taken for B',
    )
    parser.add_argument(
        '--class-map',
        type=Path,
        metavar='F',
        help='YAML file of names to join and of a hierarchy, e.g. `vehicle: [car, bus]`',
    )
    parser.add_argument(
        '--level',
        type=int,
        metavar='N',
        help='of the hierarchy of --class-map, 1 for its outermost names (default: innermost)',
    )
    parser.add_argument(
        '--separator', metavar='C', help='between the tags of a field of a table, e.g. ","'
    )


def renaming(text: str) -> str:
    """``type`` of an option that takes ``A=B``."""
    old, _, new = text.partition('=')
    if not old or not new:
        raise argparse.ArgumentTypeError(f'expected A=B, found {text!r}')
    return text


def add_check_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--report`` and ``--workers`` to a tool that checks a data set."""
    parser.add_argument('--report', type=Path, metavar='F', help='also write the report to a file')
    parser.add_argument(
        '--workers',
        type=int,
        default=4,
        help='worker processes; 0: everything runs in this process (default %(default)s)',
    )


def add_cam_arguments(parser: argparse.ArgumentParser, *, results: str) -> None:
    """Add ``--cams``, ``--images``, ``--out``, ``--list`` and ``--raw-pixels`` to a tool that
    computes a file from each CAM file and its image.

    Args:
        parser: Parser of the tool.
        results (str): Description of the content of ``--out``.
    """
    parser.add_argument(
        '--cams', type=Path, required=True, metavar='D', help='folder of CAM files <id>.npz'
    )
    parser.add_argument(
        '--images', type=Path, required=True, metavar='D', help='folder of the images'
    )
    parser.add_argument('--out', type=Path, required=True, metavar='D', help=f'folder of {results}')
    parser.add_argument(
        '--list', type=Path, metavar='F', help='image ids, one per line (default: every CAM file)'
    )
    parser.add_argument(
        '--raw-pixels',
        action='store_true',
        help='ignore the EXIF orientation of images (VOC, SBD, COCO: their annotations do)',
    )
