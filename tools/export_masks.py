"""Export masks to the formats of annotation tools, where people can correct them.

    python tools/export_masks.py work_dirs/masks --images data/my_photos/JPEGImages \\
        --classes data/my_photos/classes.txt --format cvat --out work_dirs/for_cvat

Formats: coco (run-length encoded, or polygons with --polygons), labelme, labelstudio and cvat
(pre-annotations with exact masks), yolo, and png (a GeoTIFF where the photo is one).
tools/import_masks.py reads corrected annotations back.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.progress import track

from mmwsss.preparation.exports import FORMATS, MaskItem
from mmwsss.utils.cli import run_main
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, find_files, list_image_ids
from mmwsss.utils.io import read_id_list, read_mask
from mmwsss.utils.processes import require_one_process


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('masks', type=Path, help='folder of masks <id>.png')
    parser.add_argument(
        '--images', type=Path, required=True, metavar='D', help='folder of the photos'
    )
    parser.add_argument(
        '--classes',
        metavar='F',
        default='classes.txt',
        help='class names, one per line, background first (default %(default)s)',
    )
    parser.add_argument('--format', choices=tuple(FORMATS), required=True)
    parser.add_argument('--out', type=Path, required=True, metavar='D', help='folder to write to')
    parser.add_argument('--list', type=Path, metavar='F', help='image ids (default: every mask)')
    parser.add_argument(
        '--polygons', action='store_true', help='coco: polygons instead of encoded masks'
    )
    parser.add_argument(
        '--tolerance',
        type=float,
        default=0.5,
        metavar='PX',
        help='how far a polygon may lie from the outline, in pixels (default %(default)s)',
    )
    parser.add_argument(
        '--min-area',
        type=int,
        default=1,
        metavar='PX',
        help='leave out regions of fewer pixels (default: keep all)',
    )
    args = parser.parse_args(argv)
    if args.tolerance < 0:
        parser.error('--tolerance must not be negative')
    if args.polygons and args.format != 'coco':
        parser.error('--polygons belongs to --format coco')
    return args


def main() -> None:
    args = parse_args()
    require_one_process()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.datasets.class_names import load_class_names

    classes = load_class_names(args.classes)
    if args.list:
        ids = read_id_list(args.list)
    else:
        ids = list_image_ids(args.masks, ('.png',), what='mask')
    images = find_files(args.images, ids, IMAGE_SUFFIXES, what='image')
    masks = find_files(args.masks, ids, ('.png',), what='mask')
    # every mask is checked before the first file is written
    for path in track(masks, description='checking masks'):
        read_mask(path, len(classes))

    def items() -> Iterator[MaskItem]:
        for name, image, path in zip(
            ids, images, track(masks, description=f'writing {args.format}')
        ):
            yield MaskItem(name, Path(image), read_mask(path, len(classes)))

    options = dict(polygons=True) if args.polygons else {}
    exporter = FORMATS[args.format](
        classes, tolerance=args.tolerance, min_area=args.min_area, **options
    )
    exporter.write(items(), args.out)
    print(f'{args.out}: {len(ids)} masks as {args.format}')


if __name__ == '__main__':
    sys.exit(run_main(main))
