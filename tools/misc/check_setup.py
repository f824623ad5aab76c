"""List every data folder and weight file that a config or a pipeline needs, whether it exists, and
where it can be obtained.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction
from mmwsss.utils.tables import text_table


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of a training or of a pipeline')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    return parser.parse_args()


def main():
    args = parse_args()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis.setup_check import check_setup

    found = check_setup(args.config, args.cfg_options)
    rows = [
        (entry.kind, 'there' if entry.there else 'MISSING', entry.place, entry.source)
        for entry in found
    ]
    print(text_table(('kind', 'state', 'file or folder', 'from'), rows))
    missing = sum(not entry.there for entry in found)
    print(f'{len(found) - missing} of {len(found)} are there')
    return 1 if missing else 0


if __name__ == '__main__':
    sys.exit(run_main(main))
