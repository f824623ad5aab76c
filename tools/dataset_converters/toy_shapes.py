"""Write the toy shapes data set: procedural images, image tags and masks in VOC layout."""

import mmwsss  # noqa: F401, I001  first: checks the installation
import argparse
import sys

from mmwsss.preparation.toy_shapes import ToyDifficulty, write_toy_shapes
from mmwsss.utils.cli import run_main
from mmwsss.utils.processes import require_one_process


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--out', default='data/toy_shapes', help='folder of the data set')
    parser.add_argument('--train', type=int, default=1100, metavar='N', help='training images')
    parser.add_argument('--val', type=int, default=150, metavar='N', help='validation images')
    parser.add_argument('--test', type=int, default=150, metavar='N', help='test images')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--size',
        type=int,
        nargs='+',
        default=[96, 128],
        metavar='PX',
        help='side of square images, or smallest and largest side',
    )
    parser.add_argument('--workers', type=int, default=2, help='processes')
    parser.add_argument(
        '--overwrite', action='store_true', help='replace a toy set that has other settings'
    )
    group = parser.add_argument_group(
        'difficulty', 'see mmwsss.preparation.toy_shapes.ToyDifficulty'
    )
    for name, default in ToyDifficulty._field_defaults.items():
        group.add_argument(f'--{name.replace("_", "-")}', type=type(default), default=default)
    args = parser.parse_args(argv)
    if len(args.size) > 2:
        parser.error(f'--size expects one or two numbers, got {args.size}')
    return args


def main(argv=None):
    args = parse_args(argv)
    require_one_process()
    difficulty = ToyDifficulty(**{name: getattr(args, name) for name in ToyDifficulty._fields})
    written = write_toy_shapes(
        args.out,
        train=args.train,
        val=args.val,
        test=args.test,
        seed=args.seed,
        workers=args.workers,
        size=(args.size[0], args.size[-1]),
        difficulty=difficulty,
        overwrite=args.overwrite,
    )
    print(
        f'{args.out}: {args.train} train, {args.val} val, {args.test} test images'
        if written
        else f'{args.out}: the set is there already, with the same settings; nothing to do'
    )


if __name__ == '__main__':
    sys.exit(run_main(main))
