"""Write image tags, id lists and palette masks of MS COCO 2014 from its instance annotations.

    python tools/dataset_converters/coco14.py data/coco14

The folder contains annotations, train2014 and val2014. One report lists every problem with the file
that it concerns; if there are any, the exit code is 1 and nothing is written. Otherwise the tool
writes

    SegmentationClass/<id>.png      palette PNG: 0 background, 1..80 the categories in the order of
                                    their ids; settings.json in this folder records which of
                                    two overlapping instances a pixel belongs to
    JPEGImages/<id>.jpg             links to the images
    ImageSets/Segmentation/{train,val}.txt
                                    images with an annotation: 82,081 and 40,137
    ImageSets/Segmentation/{train,val}_empty.txt
                                    the others: 702 and 367
    ImageSets/Segmentation/val_part.txt
                                    the first 5,000 of val.txt, on which single-stage configs
                                    validate during training
    image_tags.csv                  all images, an empty field where nothing is annotated

The tool can be interrupted; existing masks are kept.
"""

import mmwsss  # noqa: F401, I001  first: checks the installation
import argparse
import os
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, track

from mmwsss.utils.class_lists import COCO_CLASSES
from mmwsss.preparation.coco_instances import (
    CROWDS,
    COCOMaskJob,
    check_coco_images,
    index_annotations,
    rle_module,
    write_coco_masks,
)
from mmwsss.preparation.instance_masks import OVERLAPS
from mmwsss.preparation.check_report import CheckReport
from mmwsss.utils.cli import run_main
from mmwsss.utils.io import atomic_open, read_tags, write_tags
from mmwsss.utils.output_folder import claim_output_folder
from mmwsss.utils.setup_hints import coco_setup_hint
from mmwsss.preparation.chunks import map_chunks
from mmwsss.utils.tables import text_table
from mmwsss.utils.tool_options import add_check_arguments
from mmwsss.utils.processes import require_one_process

# images, images with an annotation
COCO_SPLIT_SIZES = {'train': (82_783, 82_081), 'val': (40_504, 40_137)}
LISTS = Path('ImageSets', 'Segmentation')
PART = 5_000  # ids of val_part.txt


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'root',
        type=Path,
        nargs='?',
        default=Path('data/coco14'),
        help='folder to write to (default %(default)s)',
    )
    parser.add_argument(
        '--annotations',
        type=Path,
        metavar='D',
        help='folder of instances_{train,val}2014.json (default: annotations in root)',
    )
    parser.add_argument(
        '--images', type=Path, metavar='D', help='folder with train2014 and val2014 (default: root)'
    )
    parser.add_argument(
        '--split',
        nargs='+',
        choices=tuple(COCO_SPLIT_SIZES),
        default=list(COCO_SPLIT_SIZES),
        metavar='S',
        help='splits, of train and val (default: both)',
    )
    parser.add_argument(
        '--overlap',
        choices=OVERLAPS,
        default='first',
        help='instance that a pixel of several ones belongs to: the first of the file, or the '
        'smallest (default %(default)s)',
    )
    parser.add_argument(
        '--crowd',
        choices=CROWDS,
        default='paint',
        help='crowds are painted like instances, or 255 (default %(default)s); their tags count '
        'either way',
    )
    parser.add_argument(
        '--tags-only', action='store_true', help='write no masks, which only evaluation needs'
    )
    parser.add_argument('--without-images', action='store_true', help='do not check or link images')
    parser.add_argument(
        '--any-size',
        action='store_true',
        help='accept a part of the data set, whose numbers of images differ',
    )
    add_check_arguments(parser)
    return parser.parse_args(argv)


def read_annotations(args, report):
    """Split -> (annotation file, images)."""
    folder, splits = args.annotations or args.root / 'annotations', {}
    for split in args.split:
        path = folder / f'instances_{split}2014.json'
        if not path.is_file():
            report.problem(f'annotation file not found. {coco_setup_hint(args.root)}', path)
            continue
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(path.name, total=path.stat().st_size)
            try:
                images = index_annotations(path, report, partial(progress.update, task))
            except ValueError as error:
                report.problem(
                    'unreadable annotation file', path, str(error).removeprefix(f'{path}: ')
                )
                continue
        splits[split] = path, images
        numbers = len(images), sum(bool(image.labels) for image in images)
        if numbers != COCO_SPLIT_SIZES[split]:
            official = '{:,} images, {:,} with an annotation'
            (report.note if args.any_size else report.problem)(
                'number of images (--any-size for a part of the data set)',
                path,
                f'{official.format(*numbers)}, officially '
                f'{official.format(*COCO_SPLIT_SIZES[split])}',
            )
        if not images:
            report.problem('no image in an annotation file', path)
        elif not numbers[1]:
            report.problem(
                'no annotated image in an annotation file, so its list would be empty', path
            )
    twice = Counter(image.img_id for _, images in splits.values() for image in images)
    for name in sorted(name for name, count in twice.items() if count > 1 and len(splits) > 1):
        report.problem('image of both splits', name)
    return splits


def find_images(args, split, images, report):
    """Id -> image file; where JPEGImages has it already, that one."""
    ready, source = args.root / 'JPEGImages', args.images or args.root
    folders = [ready, source / f'{split}2014', source]
    listings = [set(os.listdir(folder)) if folder.is_dir() else set() for folder in folders]
    found = {}
    for image in images:
        place = next(
            (folder for folder, listing in zip(folders, listings) if image.file_name in listing),
            None,
        )
        if place is None:
            report.problem('annotated image not found', source / f'{split}2014' / image.file_name)
        else:
            found[image.img_id] = place / image.file_name
    return found


def main(argv=None):
    args = parse_args(argv)
    require_one_process()
    if not args.tags_only:
        rle_module()
    report = CheckReport(f'COCO 2014 for {args.root}')
    splits = read_annotations(args, report)
    files = {}
    if not args.without_images:
        for split, (_, images) in splits.items():
            files.update(find_images(args, split, images, report))
        sizes = {image.img_id: image.size for _, images in splits.values() for image in images}
        jobs = [(path, sizes[name]) for name, path in files.items()]
        for problems in map_chunks(check_coco_images, jobs, args.workers, 'checking images'):
            for problem in problems:
                report.problem(*problem)
    if not report.num_problems and not args.tags_only:
        write_masks(args, splits, report)
    for split, (path, images) in splits.items():
        empty = sum(not image.labels for image in images)
        if empty:
            report.note(
                'images without annotation: in the tag file, not in the list',
                path,
                f'{empty} images, see {split}_empty.txt',
            )
    report.publish(args.report)
    if report.num_problems:
        return 1
    link_images(args, files)
    write_results(args, splits)
    return 0


def write_masks(args, splits, report):
    """Write the masks that are not there yet."""
    folder, jobs = args.root / 'SegmentationClass', []
    claim_output_folder(
        folder,
        {
            'source': 'instance annotations of COCO 2014',
            'overlap': args.overlap,
            'crowd': args.crowd,
        },
    )
    there = set(os.listdir(folder))
    for path, images in splits.values():
        jobs += [
            COCOMaskJob(
                str(path),
                image.places,
                image.size,
                str(folder / f'{image.img_id}.png'),
                args.overlap,
                args.crowd,
            )
            for image in images
            if f'{image.img_id}.png' not in there
        ]
    for problems in map_chunks(write_coco_masks, jobs, args.workers, 'masks'):
        for problem in problems:
            report.problem('annotations that cannot be decoded', *problem)


def link_images(args, files):
    """Make JPEGImages of links to the images."""
    folder = args.root / 'JPEGImages'
    for path in track(
        files.values(), 'linking images', console=Console(stderr=True), disable=not files
    ):
        if path.parent != folder:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / path.name).symlink_to(os.path.relpath(path, folder))


def write_results(args, splits):
    """Lists, tags, and a summary on the screen."""
    counts, tags_file = {}, args.root / 'image_tags.csv'
    table = read_tags(tags_file) if tags_file.is_file() else {}  # of the other split
    for split, (_, images) in splits.items():
        counts[split] = Counter(COCO_CLASSES[label] for image in images for label in image.labels)
        table.update(
            {image.img_id: [COCO_CLASSES[label] for label in image.labels] for image in images}
        )
        names = {
            split: [image.img_id for image in images if image.labels],
            f'{split}_empty': [image.img_id for image in images if not image.labels],
        }
        if split == 'val':
            names['val_part'] = names['val'][:PART]
        for name, ids in names.items():
            if ids:
                with atomic_open(
                    args.root / LISTS / f'{name}.txt', 'w', encoding='utf-8', newline='\n'
                ) as file:
                    file.write('\n'.join(ids) + '\n')
    write_tags(tags_file, table)
    rows = [[name, *(counts[split][name] for split in counts)] for name in COCO_CLASSES[1:]]
    rows += [
        ['all tags', *(counts[split].total() for split in counts)],
        ['images', *(len(images) for _, images in splits.values())],
        [
            'with a tag',
            *(sum(bool(image.labels) for image in images) for _, images in splits.values()),
        ],
    ]
    print(text_table(['class', *counts], rows))
    print(
        f'wrote {args.root}: {len(table)} images, tags'
        + ('' if args.tags_only else f', masks (overlap: {args.overlap}, crowd: {args.crowd})')
    )


if __name__ == '__main__':
    sys.exit(run_main(main))
