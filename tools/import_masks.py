"""Convert corrected annotations to masks, for training a segmentation network or for evaluation.

    python tools/import_masks.py for_cvat/annotations.xml --format cvat \\
        --classes data/my_photos/classes.txt --out data/my_photos/SegmentationClass
"""

import argparse
import sys
from pathlib import Path

from rich.progress import track

from mmwsss.preparation.exports import FORMATS
from mmwsss.utils.cli import run_main
from mmwsss.utils.io import write_mask
from mmwsss.utils.names import output_path
from mmwsss.utils.processes import require_one_process


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('annotations', type=Path, help='file or folder of the annotation tool')
    parser.add_argument('--format', choices=tuple(FORMATS), required=True)
    parser.add_argument(
        '--classes',
        metavar='F',
        default='classes.txt',
        help='class names, one per line, background first (default %(default)s)',
    )
    parser.add_argument(
        '--images',
        type=Path,
        metavar='D',
        help='folder of the photos, for yolo (default: <annotations>/images)',
    )
    parser.add_argument('--out', type=Path, required=True, metavar='D', help='folder of the masks')
    return parser.parse_args(argv)


def main() -> None:
    args = parse_args()
    require_one_process()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.datasets.class_names import load_class_names

    if not args.annotations.exists():
        raise FileNotFoundError(f'{args.annotations}: annotations not found')
    reader = FORMATS[args.format](load_class_names(args.classes))
    for found in reader.read(args.annotations, args.images):  # nothing is written if any is wrong
        output_path(args.out, found.id, '.png')
    count = 0
    for found in track(
        reader.read(args.annotations, args.images), description=f'reading {args.format}'
    ):
        write_mask(output_path(args.out, found.id, '.png'), found.mask)
        count += 1
    print(f'{args.out}: {count} masks')


if __name__ == '__main__':
    sys.exit(run_main(main))
