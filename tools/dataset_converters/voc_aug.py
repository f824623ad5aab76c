"""Check a folder with PASCAL VOC 2012 and SBD, and write its id lists and image tags.

    python tools/dataset_converters/voc_aug.py data/VOCdevkit/VOC2012 \\
        --sbd data/benchmark_RELEASE/dataset

One report lists every problem with the file that it concerns; if there are any, the exit code is 1
and nothing is written. Otherwise the tool writes

    SegmentationClassAug/<id>.png        with --sbd: VOC's own masks, and those of SBD for all
                                         other images
    ImageSets/Segmentation/<split>.txt   bare ids; train_aug is derived from the lists of VOC and
                                         SBD, or from the masks, if there is none
    image_tags.csv                       tags of the object annotations, or of the masks
                                         (--source mask)
    tag_differences.csv                  images whose annotation and mask show different classes
"""

import mmwsss  # noqa: F401, I001  first: checks the installation
import argparse
import sys
from collections import Counter
from itertools import chain
from pathlib import Path

from mmwsss.preparation.list_check import check_id_list
from mmwsss.utils.class_lists import VOC_CLASSES
from mmwsss.preparation.voc_check import (
    REPAIRABLE,
    VOCFiles,
    augmented_split,
    check_voc_images,
    repair_masks,
    write_sbd_masks,
)
from mmwsss.preparation.check_report import CheckReport
from mmwsss.utils.cli import run_main
from mmwsss.utils.io import atomic_open, write_tags
from mmwsss.utils.setup_hints import VOC_SPLIT_SIZES, voc_setup_hint
from mmwsss.preparation.chunks import map_chunks
from mmwsss.utils.tables import text_table
from mmwsss.utils.tool_options import add_check_arguments
from mmwsss.utils.processes import require_one_process

LISTS = Path('ImageSets', 'Segmentation')


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'root',
        type=Path,
        nargs='?',
        default=Path('data/VOCdevkit/VOC2012'),
        help='the folder VOC2012 (%(default)s)',
    )
    parser.add_argument(
        '--split',
        nargs='+',
        choices=tuple(VOC_SPLIT_SIZES),
        metavar='S',
        help=f'splits, of {" ".join(VOC_SPLIT_SIZES)} (default: those that have a list, and '
        f'train_aug)',
    )
    parser.add_argument(
        '--sbd',
        type=Path,
        metavar='D',
        help='folder `dataset` of SBD: masks SegmentationClassAug and the list of train_aug are '
        'made from it',
    )
    parser.add_argument(
        '--masks',
        type=Path,
        metavar='D',
        help='folder of the masks (default: SegmentationClassAug in the root)',
    )
    parser.add_argument(
        '--source',
        choices=('xml', 'mask', 'none'),
        help='source of the tags (default: xml if the folder Annotations exists, else mask)',
    )
    parser.add_argument(
        '--out', type=Path, metavar='D', help='folder for lists and tables (default: the root)'
    )
    parser.add_argument(
        '--any-size',
        action='store_true',
        help='accept a part of the data set, whose lists have other lengths than the official ones',
    )
    parser.add_argument('--without-images', action='store_true', help='check masks only')
    parser.add_argument(
        '--decode',
        action='store_true',
        help='decode every image; otherwise its header and its end are checked',
    )
    parser.add_argument(
        '--fix',
        action='store_true',
        help='correct lists and colour-encoded masks instead of reporting them',
    )
    add_check_arguments(parser)
    return parser.parse_args(argv)


# The lists ----------------------------------------------------------------------------------------


def find_lists(args):
    """Split -> list file."""
    places = {
        split: [args.root / LISTS / f'{split}.txt', args.root / f'{split}.txt']
        for split in VOC_SPLIT_SIZES
    }
    return {
        split: next((path for path in paths if path.is_file()), None)
        for split, paths in places.items()
    }


def read_lists(args, masks, report):
    """Split -> ids; ``train_aug`` is derived where there is no list."""
    files = find_lists(args)
    wanted = args.split or [
        split for split, path in files.items() if path is not None or split == 'train_aug'
    ]
    lists = {
        split: read_list(path, report, args.fix)
        for split, path in files.items()
        if path is not None and (split in wanted or split in ('train', 'val'))
    }
    # without any list there is one problem, in main(); a list that cannot be read has an entry
    # already
    if (
        'train_aug' in wanted
        and 'train_aug' not in lists
        and (lists or args.split)
        and None not in lists.values()
    ):
        derived = derived_train_aug(args, masks, lists, report)
        if derived is not None:
            lists['train_aug'] = derived
    lists = {split: ids or [] for split, ids in lists.items()}
    for split in wanted:
        if (
            files[split] is None
            and split not in lists
            and args.split is not None
            and split != 'train_aug'
        ):
            report.problem('image list not found', args.root / LISTS / f'{split}.txt')
    lists = {split: lists[split] for split in VOC_SPLIT_SIZES if split in lists and split in wanted}
    for split, ids in lists.items():
        if len(ids) != VOC_SPLIT_SIZES[split] and ids:
            detail = f'{len(ids):,} ids, the official list has {VOC_SPLIT_SIZES[split]:,}'
            (report.note if args.any_size else report.problem)(
                'length of a list (--any-size for a part of the data set)', split, detail
            )
    check_overlap(lists, report)
    return lists


def read_list(path, report, fix):
    """Ids of a list, None if it cannot be read."""
    try:
        return check_id_list(path, report, fix)
    except (OSError, ValueError) as error:
        report.problem('image list that cannot be read', path, str(error).removeprefix(f'{path}: '))
        return None


def derived_train_aug(args, masks, lists, report):
    """Ids of ``train_aug`` from the lists of VOC and SBD, or from the masks; None where that cannot
    be, with an entry in the report.
    """
    if 'train' in lists and 'val' in lists and args.sbd is not None:
        sbd = [read_list(args.sbd / f'{split}.txt', report, args.fix) for split in ('train', 'val')]
        return (
            None if None in sbd else augmented_split(lists['train'], lists['val'], sbd[0] + sbd[1])
        )
    if (
        'val' in lists
        and masks.is_dir()
        and not (args.any_size or args.split is None and 'train' not in lists)
    ):
        report.note(
            'no list train_aug.txt; made from the masks that val does not use', args.root / LISTS
        )
        return augmented_split([], lists['val'], [path.stem for path in masks.glob('*.png')])
    complain = report.note if args.any_size and args.split is None else report.problem
    complain(
        'no list of train_aug, which the configs train on: give --sbd and the lists of train and '
        'val, or the 12,031 masks of '
        'SegmentationClassAug',
        args.root / LISTS / 'train_aug.txt',
    )
    return None


def check_overlap(lists, report):
    for one, two in (
        ('train', 'val'),
        ('train_aug', 'val'),
        ('test', 'train_aug'),
        ('test', 'val'),
    ):
        both = sorted(set(lists.get(one, ())) & set(lists.get(two, ())))
        if both:
            report.problem(
                'an image in two lists that must not share any', f'{one} and {two}', ', '.join(both)
            )
    lost = (
        sorted(set(lists.get('train', ())) - set(lists['train_aug']))
        if 'train_aug' in lists
        else []
    )
    if lost:
        report.problem('images of train that train_aug lacks', 'train_aug', ', '.join(lost))


# The files ----------------------------------------------------------------------------------------


def mask_source(args, masks, name):
    """File that the mask of an image comes from: SegmentationClassAug, else, with ``--sbd``, VOC's
    own or that of SBD; None without any.
    """
    target = masks / f'{name}.png'
    if args.sbd is None:
        return target if masks.is_dir() else None
    places = (
        target,
        args.root / 'SegmentationClass' / f'{name}.png',
        args.sbd / 'cls' / f'{name}.mat',
    )
    return next((path for path in places if path.is_file()), None)


def make_masks(args, masks, lists):
    """Make SegmentationClassAug from SBD and from VOC's own masks; files that exist are kept, so
    that it can be interrupted.
    """
    jobs = []
    for name in annotated_ids(lists):
        source, target = mask_source(args, masks, name), masks / f'{name}.png'
        if source.suffix == '.mat':
            jobs.append((source, target))
        elif source != target:
            with atomic_open(target) as file:
                file.write(source.read_bytes())
    list(map_chunks(write_sbd_masks, jobs, args.workers, 'masks from SBD'))


def annotated_ids(lists):
    """Ids of every list but ``test``, each once."""
    return list(
        dict.fromkeys(name for split, ids in lists.items() if split != 'test' for name in ids)
    )


def check_files(args, masks, source, lists, report):
    """Check the files of every image.

    Returns:
        tuple[dict[str, VOCFinding], list]: Findings by id, and the masks to translate.
    """
    images, annotations = args.root / 'JPEGImages', args.root / 'Annotations'
    if not args.without_images and not images.is_dir():
        report.problem(f'folder not found. {voc_setup_hint(args.root)}', images)
    if not masks.is_dir() and args.sbd is None:
        (report.problem if source == 'mask' else report.note)(
            'no folder of masks: nothing can be evaluated', masks
        )
    with_image = not args.without_images and images.is_dir()
    annotated = {name: mask_source(args, masks, name) for name in annotated_ids(lists)}
    for name, path in annotated.items():
        if path is None and args.sbd is not None:
            report.problem('no mask in VOC and no annotation in SBD', name)
    jobs = [
        VOCFiles(
            name,
            images / f'{name}.jpg' if with_image else None,
            annotated.get(name),
            annotations / f'{name}.xml'
            if name in annotated and (source == 'xml' or annotations.is_dir())
            else None,
            args.decode,
        )
        for name in dict.fromkeys(name for ids in lists.values() for name in ids)
    ]
    chunks = map_chunks(check_voc_images, jobs, args.workers, 'checking')
    findings = list(chain.from_iterable(chunks))
    repairs = []
    for finding in findings:
        for kind, path, detail in finding.problems:
            if args.fix and kind.endswith(REPAIRABLE):
                # VOC's own mask stays as it is, its copy is translated
                repairs.append(masks / path.name)
                report.note(f'{kind}: translated', path, detail)
            else:
                report.problem(
                    kind + (' (--fix translates it)' if kind.endswith(REPAIRABLE) else ''),
                    path,
                    detail,
                )
    return {files.img_id: finding for files, finding in zip(jobs, findings)}, repairs


def differences(findings):
    """Id -> (only in the annotation, only in the mask)."""
    table = {}
    for name, finding in findings.items():
        if (
            finding.annotation_tags is not None
            and finding.mask_tags is not None
            and finding.annotation_tags != finding.mask_tags
        ):
            pair = (
                [tag for tag in finding.annotation_tags if tag not in finding.mask_tags],
                [tag for tag in finding.mask_tags if tag not in finding.annotation_tags],
            )
            table[name] = pair
    return table


def summary(lists, tags, different):
    """Table of images per class, and of disagreements."""
    counts = {
        split: Counter(tag for name in ids for tag in tags[name])
        for split, ids in lists.items()
        if split != 'test'
    }
    ids = {split: lists[split] for split in counts}
    only = [Counter(tag for pair in different.values() for tag in pair[side]) for side in (0, 1)]
    rows = [
        [name, *(counts[split][name] for split in counts), only[0][name], only[1][name]]
        for name in VOC_CLASSES[1:]
    ]
    rows += [
        [
            'all tags',
            *(counts[split].total() for split in counts),
            only[0].total(),
            only[1].total(),
        ],
        [
            'images',
            *map(len, ids.values()),
            sum(bool(pair[0]) for pair in different.values()),
            sum(bool(pair[1]) for pair in different.values()),
        ],
        [
            'without tag',
            *(sum(not tags[name] for name in names) for names in ids.values()),
            None,
            None,
        ],
    ]
    return text_table(['class', *counts, 'only XML', 'only mask'], rows)


def main(argv=None):
    args = parse_args(argv)
    require_one_process()
    if not args.root.is_dir():
        raise FileNotFoundError(f'{args.root}: folder not found. {voc_setup_hint(args.root)}')
    masks = args.root / 'SegmentationClassAug' if args.masks is None else args.masks
    source = args.source or ('xml' if (args.root / 'Annotations').is_dir() else 'mask')
    report = CheckReport(f'VOC 2012 in {args.root}')
    lists = read_lists(args, masks, report)
    if not lists:
        report.problem(
            f'no image list, expected {LISTS}/train.txt and others. {voc_setup_hint(args.root)}',
            args.root,
        )
    findings, repairs = check_files(args, masks, source, lists, report)
    different = differences(findings)
    if different:
        report.note(
            'images whose annotation and mask show different classes, see tag_differences.csv',
            detail=f'{len(different)} images',
        )
    report.publish(args.report)
    if report.num_problems:
        return 1
    if args.sbd is not None:
        make_masks(args, masks, lists)
    list(map_chunks(repair_masks, repairs, args.workers, 'translating masks'))
    write_results(args, source, lists, findings, different)
    return 0


def write_results(args, source, lists, findings, different):
    """Lists, tags and differences, and a summary on the screen."""
    out = args.root if args.out is None else args.out
    for split, ids in lists.items():
        with atomic_open(out / LISTS / f'{split}.txt', 'w', encoding='utf-8', newline='\n') as file:
            file.write('\n'.join(ids) + '\n')
    if source != 'none':
        field = 'annotation_tags' if source == 'xml' else 'mask_tags'
        tags = {
            name: getattr(finding, field)
            for name, finding in findings.items()
            if getattr(finding, field) is not None
        }
        write_tags(out / 'image_tags.csv', tags)
        print(summary(lists, tags, different))
        print(f'wrote {out / "image_tags.csv"}: {len(tags)} images, tags from {source}')
    if different:
        with atomic_open(out / 'tag_differences.csv', 'w', encoding='utf-8', newline='') as file:
            file.write('image,only_annotation,only_mask\n')
            file.writelines(
                f'{name},{" ".join(one)},{" ".join(two)}\n'
                for name, (one, two) in different.items()
            )
        print(f'wrote {out / "tag_differences.csv"}: {len(different)} images')
    print(
        f'wrote {out / LISTS}: {", ".join(f"{split} ({len(ids)})" for split, ids in lists.items())}'
    )


if __name__ == '__main__':
    sys.exit(run_main(main))
