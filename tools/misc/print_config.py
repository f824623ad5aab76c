"""Print a config with everything that it inherits and the overrides.

Mixed precision and SyncBN are printed as in the file; the tools replace them where a machine lacks
them.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction
from mmwsss.utils.io import atomic_open


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--out', type=Path, metavar='F', help='also write it to this .py file')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    return parser.parse_args()


def main():
    args = parse_args()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis import load_config

    text = load_config(args.config, cfg_options=args.cfg_options, as_in_file=True).pretty_text
    if args.out is not None:
        if args.out.suffix != '.py':
            raise ValueError(f'--out {args.out}: the name of a config ends in .py')
        with atomic_open(args.out) as file:
            file.write(text.encode())
    print(text)


if __name__ == '__main__':
    sys.exit(run_main(main))
