"""Make a data set of your own photos and tags, whatever format the tags have, and check it.

    python tools/dataset_converters/image_tags.py tags.csv --images photos --out data/my_photos

The tags: a CSV (image and tags, a row per image and tag, or a column of 0 and 1 per tag), a JSON
(image -> tags, MMPretrain's multi-label format, COCO), or a folder with one folder of photos per
tag; what this tool writes into that folder is not a tag. Every problem is listed in one report with
the file it is about; then the exit code is 1 and nothing is written. Otherwise it writes
image_tags.csv, classes.txt, all.txt (ids) and, unless the photos lie there already, JPEGImages with
links to them.
"""

import mmwsss  # noqa: F401, I001  first: checks the installation
import argparse
import filecmp
import os
import shutil
import shlex
import sys
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.progress import track

from mmwsss.datasets.class_names import load_class_names
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, image_id, walk_files
from mmwsss.preparation.tag_check import inspect_photos, note_balance
from mmwsss.preparation.tag_readers import read_tag_source
from mmwsss.preparation.check_report import CheckReport
from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import format_option
from mmwsss.utils.io import atomic_open, write_tags
from mmwsss.utils.names import name_problem, output_path
from mmwsss.utils.pool import bounded_map
from mmwsss.utils.tables import text_table

CHUNK, FEW_CHUNKS = 64, 32  # so few photos are checked before a process has started
MOST_CLASSES = 254  # 0 is background and 255 ignore in a mask


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'source', type=Path, help='CSV or JSON file, or a folder with a folder per tag'
    )
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
        help='the tags to expect, one a line after "background" (default: classes.txt in --out, '
        'else all)',
    )
    parser.add_argument(
        '--rename', nargs='+', default=[], metavar='A=B', help='join tags: A is taken for B'
    )
    parser.add_argument(
        '--copy', action='store_true', help='copy the photos instead of linking to them'
    )
    parser.add_argument(
        '--decode',
        action='store_true',
        help='decode every photo; otherwise its header and its end are checked',
    )
    parser.add_argument('--report', type=Path, metavar='F', help='also write the report to a file')
    parser.add_argument(
        '--workers',
        type=int,
        default=4,
        help='processes; 0: none but this one (default %(default)s)',
    )
    args = parser.parse_args(argv)
    wrong = [pair for pair in args.rename if not all(pair.partition('=')[::2])]
    if wrong:
        parser.error(f'--rename: expected A=B, found {wrong[0]!r}')
    return args


def find_photos(table, folder, report):
    """Image as written -> (name in the data set, file).

    A name may lack its extension, and may have a path in front that is not below ``folder``.
    """
    if not folder.is_dir():
        report.problem('folder of photos not found (--images)', folder)
        return {}
    files = list(walk_files(folder, IMAGE_SUFFIXES))
    if not files:
        report.problem('empty folder: no photo in it', folder)
        return {}
    places = {}
    for file in files:
        for key in {
            file,
            image_id(file),
            PurePosixPath(file).name,
            image_id(PurePosixPath(file).name),
        }:
            places.setdefault(key.casefold(), set()).add(file)
    found = {}
    for name in table:
        plain = name.replace('\\', '/')
        candidates = [key for key in (plain, PurePosixPath(plain).name) if key.casefold() in places]
        if not candidates:
            report.problem('photo of a row not found', folder / plain)
            continue
        matches = places[candidates[0].casefold()]
        exact = {file for file in matches if candidates[0] in (file, image_id(file))} or matches
        if len(exact) > 1:
            report.problem(
                'row that fits several photos; write the extension or the folder',
                name,
                ', '.join(sorted(exact)),
            )
            continue
        found[name] = next(iter(exact))
    for file in sorted(set(files) - set(found.values())):
        report.note('photos without a row (they are not used)', folder / file)
    return {name: (file, folder / file) for name, file in found.items()}


def check_names(found, report):
    """Report rows that are the same photo, and photos whose results would have the same file
    name.
    """
    ids = {}
    for name, (file, _) in found.items():
        key = image_id(file)
        unfit = name_problem(file)
        if unfit:
            report.problem('photo whose name cannot be an id; rename it', repr(file), unfit)
        if key in ids:
            report.problem(
                'two rows of one photo, or photos that differ in their extension only; rename one',
                name,
                f'as {ids[key]!r}',
            )
        ids.setdefault(key, name)


def check_classes(args, out, source, table, report):
    """Class names without background."""
    listed = args.classes or (out / 'classes.txt' if (out / 'classes.txt').is_file() else None)
    if listed is not None:
        classes = load_class_names(listed)[1:]
    else:
        renamed = dict(pair.partition('=')[::2] for pair in args.rename)
        known = dict.fromkeys(renamed.get(name, name) for name in source.classes or ())
        known = known or sorted({tag for tags in table.values() for tag in tags})
        classes = tuple(name for name in known if name != 'background')
    for image, tags in table.items():
        for tag in tags:
            if tag == 'background':
                report.problem(
                    "the tag 'background' is reserved: leave the tags of such a photo empty", image
                )
            elif tag not in classes:
                near = [name for name in classes if name.casefold() == tag.casefold()]
                report.problem(
                    f'unknown tag (not in {listed})',
                    image,
                    f'{tag!r}' + (f', did you mean {near[0]!r}?' if near else ''),
                )
            elif name_problem(tag):
                report.problem('tag that cannot be a class', image, f'{tag!r}: {name_problem(tag)}')
            if any(mark in tag for mark in '";\n\r'):
                report.problem('a tag holds no quote, ";" or line end', image, repr(tag))
    if not classes and table:
        report.problem('no image has a tag, so there are no classes', args.source)
    if len(classes) > MOST_CLASSES:
        report.problem(
            f'more than {MOST_CLASSES} classes do not fit a mask', args.source, len(classes)
        )
    return classes


def run_checks(args, found, report):
    """Look into every photo."""
    jobs = [(path, args.decode) for _, path in found.values()]
    chunks = [jobs[start : start + CHUNK] for start in range(0, len(jobs), CHUNK)]
    results = bounded_map(inspect_photos, chunks, args.workers if len(chunks) > FEW_CHUNKS else 0)
    for problems, notes in track(
        results, 'checking', len(chunks), console=Console(stderr=True), disable=not chunks
    ):
        for problem in problems:
            report.problem(*problem)
        for note in notes:
            report.note(*note)


def main(argv=None):
    args = parse_args(argv)
    out = args.out or (args.source if args.source.is_dir() else args.source.parent)
    report = CheckReport(f'tags of {args.source}')
    source = read_tag_source(
        args.source, report, load_class_names(args.classes)[1:] if args.classes else None
    )
    renamed = dict(pair.partition('=')[::2] for pair in args.rename)
    table = {
        name: list(dict.fromkeys(renamed.get(tag, tag) for tag in tags))
        for name, tags in source.table.items()
    }
    if not table and not report.num_problems:  # else the report says why
        report.problem('no image in it', args.source)
    classes = check_classes(args, out, source, table, report)
    found = (
        {name: (name, path) for name, path in source.files.items()}
        if source.files is not None
        else find_photos(table, args.images or out / 'JPEGImages', report)
        if table
        else {}
    )
    check_names(found, report)
    run_checks(args, found, report)
    if not report.num_problems:
        check_targets(out, found, report)
    counts = note_balance(table, classes, report)
    if args.report is not None:
        report.write(args.report)
    sys.stderr.write(report.text() + '\n')
    if report.num_problems:
        return 1
    write_data(
        args,
        out,
        {found[name][0]: tags for name, tags in table.items()},
        classes,
        [path for _, path in found.values()],
    )
    rows = [(name, counts[name], f'{counts[name] / len(table):.1%}') for name in classes]
    print(
        text_table(
            ('class', 'photos', 'share'),
            [
                *rows,
                ('without tag', sum(not tags for tags in table.values()), None),
                ('all photos', len(table), None),
            ],
            source.kind,
        )
    )
    print(
        f'wrote {out}: image_tags.csv, classes.txt and all.txt of {len(table)} photos and '
        f'{len(classes)} classes'
    )
    options = (('data_root', str(out)), ('model.num_classes', len(classes)))
    command = shlex.join(
        [
            *('python', 'tools/train.py', 'configs/mctformer_plus_tags.py', '--cfg-options'),
            *(format_option(key, value) for key, value in options),
        ]
    )
    print(f'train: {command}')
    return 0


def check_targets(out, found, report):
    """Report photos in JPEGImages that are not those to be linked there."""
    for file, path in found.values():
        target = output_path(out / 'JPEGImages', file, what='photo')
        if (
            target.exists()
            and not target.samefile(path)
            and not (path.is_file() and filecmp.cmp(target, path, shallow=False))
        ):
            report.problem(
                'another photo of that name is there already; choose another --out', target
            )


def write_data(args, out, table, classes, files):
    """Links to the photos, then the three tables."""
    for name, file in zip(table, files):
        target = output_path(out / 'JPEGImages', name, what='photo')
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # a link to nowhere
        if args.copy:
            shutil.copy2(file, target)
        else:
            target.symlink_to(os.path.relpath(file, target.parent))
    write_tags(out / 'image_tags.csv', table)
    for name, lines in (
        ('classes.txt', ('background', *classes)),
        ('all.txt', map(image_id, table)),
    ):
        with atomic_open(out / name, 'w', encoding='utf-8', newline='\n') as file:
            file.write('\n'.join(lines) + '\n')


if __name__ == '__main__':
    sys.exit(run_main(main))
