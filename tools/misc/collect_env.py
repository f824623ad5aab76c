"""Print versions, hardware and compilers, for a report of a problem."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmwsss.utils.cli import run_main


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--json', type=Path, metavar='F', help='also write it to this file')
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.utils.env import collect_environment
    from mmwsss.utils.io import write_json

    found = collect_environment(compilers=True)
    if args.json is not None:
        write_json(args.json, found)
    lines = list(rows(found))
    width = max(len(name) for name, _ in lines)
    # the last column is not padded: a path of libraries is long
    for name, text in [('', ''), ('-' * width, '---'), *lines]:
        print(f'| {name:<{width}} | {text} |')


def rows(found, prefix=''):
    """Name and text of every entry; those of dictionaries one by one."""
    for key, value in found.items():
        if isinstance(value, dict):
            yield from rows(value, f'{key} ')
        else:
            text = ', '.join(map(str, value)) if isinstance(value, list) else str(value)
            yield prefix + key, ' '.join(text.split())


if __name__ == '__main__':
    sys.exit(run_main(main))
