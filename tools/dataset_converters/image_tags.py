"""Convert your own photos and their tags to a data set, and check it.

    python tools/dataset_converters/image_tags.py tags.csv --images photos --out data/my_photos

The tags can be a CSV or Excel workbook (image and tags, a row per image and tag, or a column of 0
and 1 per tag), JSON (image -> tags, records, MMPretrain, COCO, Label Studio, labelme, VIA), XML of
CVAT or PASCAL VOC, a folder of labelme, PASCAL VOC or YOLO files, a folder with a folder of photos
per tag (below train, val and test, whose lists are written too), or photos that hold keywords. The
format is detected from the content. One report lists every problem with the file that it concerns;
if there are any, the exit code is 1 and nothing is written. Otherwise the tool writes
image_tags.csv, classes.txt, all.txt (ids) and, unless the photos are there already, JPEGImages with
links to them; HEIC and GIF photos become JPEG and PNG copies.
"""

import mmwsss  # noqa: F401, I001  first: checks the installation
import argparse
import shlex
import sys
from collections import Counter
from pathlib import Path

from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.class_map import renamed_tags
from mmwsss.preparation.photo_set import read_photo_set, write_photo_set
from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import format_option
from mmwsss.utils.tables import text_table
from mmwsss.utils.tool_options import add_check_arguments, add_tag_name_arguments
from mmwsss.utils.processes import require_one_process

CHECKOUT = ('python', 'tools/train.py', 'configs/mctformer_plus_tags.py')
INSTALLED = ('mmwsss', 'train', 'mmwsss::mctformer_plus_tags.py')


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='table, annotations or folder, see above')
    parser.add_argument(
        '--images',
        type=Path,
        metavar='D',
        help='folder of the photos (default: JPEGImages in --out)',
    )
    parser.add_argument(
        '--out', type=Path, metavar='D', help='folder to write to (default: that of the source)'
    )
    parser.add_argument(
        '--classes',
        type=Path,
        metavar='F',
        help='list of the expected tags, one per line after "background" (default: classes.txt in '
        '--out, else all)',
    )
    add_tag_name_arguments(parser)
    parser.add_argument(
        '--copy', action='store_true', help='copy the photos instead of linking to them'
    )
    parser.add_argument(
        '--upright',
        action='store_true',
        help='store rotated copies of photos with an EXIF orientation, for tools '
        'that ignore the orientation; the others are linked or copied',
    )
    parser.add_argument(
        '--decode',
        action='store_true',
        help='decode every photo; otherwise its header and its end are checked',
    )
    add_check_arguments(parser)
    return parser.parse_args(argv)


def summary(photos, kind):
    """Table with the number of photos of each class."""
    counts = Counter(tag for tags in photos.table.values() for tag in tags)
    total = len(photos.table)
    rows = [(name, counts[name], f'{counts[name] / total:.1%}') for name in photos.classes]
    untagged = sum(not tags for tags in photos.table.values())
    rows += [('without tag', untagged, None), ('all photos', total, None)]
    return text_table(('class', 'photos', 'share'), rows, kind)


def class_names(path):
    """Names of a file without background."""
    from mmwsss.datasets.class_names import load_class_names  # its package imports PyTorch

    return load_class_names(path)[1:]


def main(argv=None):
    args = parse_args(argv)
    require_one_process()
    out = args.out or (args.source if args.source.is_dir() else args.source.parent)
    report = CheckReport(f'tags of {args.source}')
    listed = args.classes or (out / 'classes.txt' if (out / 'classes.txt').is_file() else None)
    kind, photos = read_photo_set(
        args.source,
        args.images or out / 'JPEGImages',
        out,
        report,
        listed=None if listed is None else class_names(listed),
        origin=listed or '',
        renamed=renamed_tags(args.rename, args.class_map, args.level),
        separator=args.separator,
        decode=args.decode,
        upright=args.upright,
        workers=args.workers,
    )
    report.publish(args.report)
    if report.num_problems:
        return 1
    write_photo_set(out, photos, copy=args.copy, upright=args.upright)
    print(summary(photos, kind))
    print(
        f'wrote {out}: image_tags.csv, classes.txt and all.txt of {len(photos.table)} photos and '
        f'{len(photos.classes)} classes'
    )
    for split, count in Counter(photos.splits.values()).items():
        print(f'wrote {out / split}.txt: {count} photos')
    options = [('data_root', str(out)), ('model.num_classes', len(photos.classes))]
    if 'train' in photos.splits.values():
        options.append(('train_dataloader.dataset.ann_file', 'train.txt'))
    command = shlex.join(
        [
            *(CHECKOUT if Path(CHECKOUT[1]).is_file() else INSTALLED),
            '--cfg-options',
            *(format_option(key, value) for key, value in options),
        ]
    )
    print(f'train: {command}')
    return 0


if __name__ == '__main__':
    sys.exit(run_main(main))
