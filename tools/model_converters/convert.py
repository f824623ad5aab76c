"""Convert a checkpoint between the format that its authors released and ours, in either direction,
to a file that contains only tensors.

Released checkpoints load without conversion wherever a checkpoint is expected. Use this tool to
share a file: without everything that is not a weight, or, with ``--to released``, for the code of
the authors.
"""

import argparse
import sys

from mmwsss.checkpoints.titles import TITLES
from mmwsss.utils.cli import run_main
from mmwsss.utils.processes import require_one_process


def parse_args():
    formats = '; '.join(f'{name}: {title}' for name, title in TITLES.items())
    parser = argparse.ArgumentParser(description=__doc__, epilog=f'formats: {formats}')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('out', help='file to write')
    parser.add_argument(
        '--to', choices=('mmwsss', 'released'), default='mmwsss', help='direction (default: mmwsss)'
    )
    parser.add_argument(
        '--format', choices=tuple(TITLES), help='released format (default: recognised)'
    )
    return parser.parse_args()


def main():
    args = parse_args()
    require_one_process()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.checkpoints.conversion import convert_checkpoint
    from mmwsss.checkpoints.formats import FORMATS

    result = convert_checkpoint(args.checkpoint, args.out, to=args.to, name=args.format)
    values = sum(value.numel() for value in result.state.values())
    classes = '' if result.num_classes is None else f', {result.num_classes} classes'
    print(
        f'{args.out}: {FORMATS[result.format].title} ({result.format}), {len(result.state)} '
        f'entries, {values:,} values{classes}'
    )
    if result.left_out:
        print(f'left out ({len(result.left_out)}): {", ".join(result.left_out)}')
    if args.to == 'mmwsss':
        print(
            f'config: configs/{FORMATS[result.format].config} or a sibling with the same number '
            f'of classes'
        )


if __name__ == '__main__':
    sys.exit(run_main(main))
