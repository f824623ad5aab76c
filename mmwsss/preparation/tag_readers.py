"""Tables of image tags as other programs write them, read with one report of everything that is
wrong.
"""

import csv
import filecmp
from pathlib import Path
from typing import NamedTuple

from mmwsss.preparation.list_check import BYTE_ORDER_MARK, LINE_ENDS
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, is_hidden
from mmwsss.utils.io import read_json, tag_rows
from mmwsss.utils.limits import check_regular_file, read_bytes

# a column with one tag per row, which may contain blanks
ONE_TAG_HEADERS = ('tag', 'label', 'class', 'category')
UNTAGGED_FOLDERS = ('background', 'untagged')
# of a data set, so no tags
DATA_FOLDERS = (
    'JPEGImages',
    'ImageSets',
    'SegmentationClass',
    'SegmentationClassAug',
    'Annotations',
)
TAG_TABLE = 'image_tags.csv'  # marks a folder as a data set that was created inside the source
YES, NO = ('1', '1.0', 'true', 'yes', 'x'), ('0', '0.0', 'false', 'no', '', '-1')
MALFORMED = 'a row that cannot be read'
TWICE = 'image listed twice'


class TagSource(NamedTuple):
    """Content of a tag source."""

    kind: str  # for messages
    table: dict  # image as written -> tags
    classes: tuple | None  # the classes it lists, without background
    files: dict | None  # image -> path, of folders


def read_tag_source(path, report, classes=None):
    """Read tags from a table, a JSON file or folders.

    CSV (separated by ``,``, ``;`` or tabs): ``image,tags`` as in :func:`mmwsss.utils.io.read_tags`;
    any other two columns, with a row per tag, or tags separated by ``;``, ``|`` or blanks (a column
    ``label``, ``tag``, ``class`` or ``category`` is never split at blanks); or one column of 0 and
    1 per tag. JSON: ``{"image": ["tag", ...]}``; MMPretrain's multi-label format (``data_list``
    with ``img_path`` and ``gt_label``); COCO (``images``, ``annotations``, ``categories``). A
    folder: one subfolder per tag; a photo that lies in several has several tags; one in
    ``untagged`` or ``background`` has none; ``JPEGImages`` and the like, which the converter
    writes, are left out.

    Args:
        path (str | Path): The source.
        report (CheckReport): Takes the problems.
        classes (Sequence[str], optional): Names without background, for JSON files that have only
            numbers.

    Returns:
        TagSource

    Raises:
        FileNotFoundError: No such file or folder.
        ValueError: Not such a file at all. The message names it.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folders(path, report)
    if not path.exists():
        raise FileNotFoundError(f'{path}: neither a file nor a folder of tags')
    check_regular_file(path, 'table of tags')
    if path.suffix.lower() != '.json':
        try:
            return _read_csv(path, report)
        except csv.Error as error:
            raise ValueError(
                f'{path}: not a table that can be read ({error}); save it as UTF-8 CSV'
            ) from error
    repeated = []
    content = read_json(path, repeated)
    of_program = isinstance(content, dict) and (
        'data_list' in content or {'images', 'annotations', 'categories'} <= content.keys()
    )
    for name in repeated:
        report.problem('JSON object with a key twice' if of_program else TWICE, path, repr(name))
    if of_program:
        return (
            _read_mmpretrain(path, content, report, classes)
            if 'data_list' in content
            else _read_coco(path, content, report)
        )
    if not isinstance(content, dict):
        raise ValueError(
            f'{path}: expected an object: image -> tags, MMPretrain\'s "data_list", or COCO\'s '
            f'"images" and "annotations"'
        )
    table = {}
    for name, tags in content.items():
        if isinstance(tags, str):
            tags = [tags]
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            report.problem(MALFORMED, path, f'{name!r}: expected a list of tags, found {tags!r}')
        else:
            table[name] = _unique(tags)
    return TagSource('JSON of tags', table, None, None)


def _read_csv(path, report):
    data = read_bytes(path, 'table of tags')
    try:
        lines = data.decode('utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path}: not a UTF-8 text file ({error}); save the table as UTF-8 CSV'
        ) from error
    if data.startswith(b'\xef\xbb\xbf'):
        report.note(f'{BYTE_ORDER_MARK} (left out)', path)
    if b'\r' in data:
        report.note(f'{LINE_ENDS} (replaced)', path)
    if not lines:
        raise ValueError(f'{path}: the file is empty')
    delimiter = max(',;\t', key=lines[0].count)
    header = [field.strip() for field in next(csv.reader(lines[:1], delimiter=delimiter))]
    if header == ['image', 'tags'] and delimiter == ',':
        table = {}
        for number, name, tags, wrong in tag_rows(lines):
            if wrong:
                report.problem(
                    TWICE if 'listed twice' in wrong else MALFORMED, f'{path}, line {number}', wrong
                )
            else:
                table[name] = _unique(tags)
        return TagSource('CSV of tags', table, None, None)
    if len(header) < 2:
        raise ValueError(
            f'{path}, line 1: expected the header "image,tags", or columns for image and tags, '
            f'found {lines[0][:100]!r}'
        )
    rows = []
    for number, row in enumerate(csv.reader(lines[1:], delimiter=delimiter), 2):
        fields = [field.strip() for field in row]
        if any(fields):  # spreadsheets write empty rows
            rows.append((number, fields))
    read = _read_pairs if len(header) == 2 else _read_columns
    return read(path, header, rows, report)


def _read_pairs(path, header, rows, report):
    """A row per image, or per image and tag."""
    table, single = {}, header[1].casefold() in ONE_TAG_HEADERS
    for number, row in rows:
        if len(row) != 2 or not row[0]:
            report.problem(
                MALFORMED, f'{path}, line {number}', f'expected 2 fields, found {len(row)}'
            )
            continue
        separator = next((mark for mark in ';|,' if mark in row[1]), None if not single else '\n')
        table[row[0]] = _unique(
            [
                *table.get(row[0], ()),
                *(tag.strip().strip('"') for tag in row[1].split(separator) if tag.strip()),
            ]
        )
    return TagSource('CSV of images and tags', table, None, None)


def _read_columns(path, header, rows, report):
    """A column of 0 and 1 per tag."""
    table, lines = {}, {}
    for name in {name for name in header if header.count(name) > 1 or not name}:
        report.problem('column without a name, or two of one name', f'{path}, line 1', repr(name))
    for number, row in rows:
        where = f'{path}, line {number}'
        wrong = [field for field in row[1:] if field.casefold() not in (*YES, *NO)]
        if len(row) != len(header):
            report.problem(MALFORMED, where, f'expected {len(header)} fields, found {len(row)}')
        elif wrong:
            report.problem(MALFORMED, where, f'{wrong[0]!r} is neither 0 nor 1')
        elif row[0] in table:
            report.problem(TWICE, where, f'{row[0]!r}, first in line {lines[row[0]]}')
        else:
            table[row[0]] = [
                tag for tag, field in zip(header[1:], row[1:]) if field.casefold() in YES
            ]
            lines[row[0]] = number
    return TagSource('CSV with a column per tag', table, tuple(header[1:]), None)


def _read_mmpretrain(path, content, report, classes):
    """MMPretrain: ``metainfo.classes`` and ``data_list`` with numbers."""
    kind, information = "MMPretrain's multi-label JSON", content.get('metainfo', {})
    listed = information.get('classes', classes) if isinstance(information, dict) else None
    if not isinstance(information, dict) or not isinstance(listed, (list, tuple, type(None))):
        report.problem(
            '"metainfo" that is not an object with a list "classes"', path, repr(information)[:60]
        )
        return TagSource(kind, {}, None, None)
    if not isinstance(content['data_list'], list):
        report.problem('"data_list" that is not a list', path, repr(content['data_list'])[:60])
        return TagSource(kind, {}, None, None)
    if not listed:
        raise ValueError(f'{path}: no classes in "metainfo", give them with --classes')
    names, table = tuple(str(name) for name in listed), {}
    for number, entry in enumerate(content['data_list']):
        where = f'{path}, data_list[{number}]'
        labels = entry.get('gt_label', []) if isinstance(entry, dict) else None
        labels = [labels] if isinstance(labels, int) else labels
        if not isinstance(labels, list) or not isinstance(entry.get('img_path'), str):
            report.problem(MALFORMED, where, 'expected "img_path" and "gt_label"')
            continue
        wrong = [
            label for label in labels if not isinstance(label, int) or not 0 <= label < len(names)
        ]
        if wrong:
            report.problem(
                f'label outside the {len(names)} classes',
                where,
                f'{entry["img_path"]}: {wrong[0]!r}',
            )
        elif entry['img_path'] in table:
            report.problem(TWICE, where, repr(entry['img_path']))
        else:
            table[entry['img_path']] = _unique([names[label] for label in labels])
    return TagSource(kind, table, tuple(name for name in names if name != 'background'), None)


def _read_coco(path, content, report):
    """COCO: tags are the categories of an image's annotations."""
    names, files, table = {}, {}, {}
    for where, entry in _coco_entries(
        path, content, 'categories', {'id': (int, str), 'name': str}, report
    ):
        if entry['id'] in names:
            report.problem('category listed twice', where, f'id {entry["id"]!r}, {entry["name"]!r}')
        names[entry['id']] = entry['name']
    for where, entry in _coco_entries(
        path, content, 'images', {'id': (int, str), 'file_name': str}, report
    ):
        if entry['id'] in files or entry['file_name'] in table:
            report.problem(TWICE, where, f'id {entry["id"]!r}, {entry["file_name"]!r}')
        files[entry['id']] = entry['file_name']
        table[entry['file_name']] = []
    for where, entry in _coco_entries(
        path, content, 'annotations', {'image_id': (int, str), 'category_id': (int, str)}, report
    ):
        image, category = entry['image_id'], entry['category_id']
        if image not in files:
            report.problem('annotation of a missing image', where, f'image_id {image!r}')
        elif category not in names:
            report.problem(
                'annotation of an unknown category',
                where,
                f'{files[image]}: category_id {category!r}',
            )
        else:
            table[files[image]].append(names[category])
    order = [
        names[number]
        for number in sorted(names, key=lambda number: (isinstance(number, str), number))
    ]
    return TagSource(
        'COCO annotations',
        {name: sorted(set(tags), key=order.index) for name, tags in table.items()},
        tuple(order),
        None,
    )


def _coco_entries(path, content, key, fields, report):
    """Entries of an array that have their fields: (place for messages, entry); the others are
    reported.
    """
    if not isinstance(content[key], list):
        report.problem(f'"{key}" that is not a list', path, repr(content[key])[:60])
        return
    for number, entry in enumerate(content[key]):
        where = f'{path}, {key}[{number}]'
        wrong = [
            name
            for name, types in fields.items()
            if not isinstance(entry, dict) or not isinstance(entry.get(name), types)
        ]
        if wrong:
            report.problem(
                MALFORMED, where, f'expected {" and ".join(fields)}, found {repr(entry)[:60]}'
            )
        else:
            yield where, entry


def _read_folders(path, report):
    """A folder per tag."""
    folders = sorted(
        folder for folder in path.iterdir() if folder.is_dir() and not is_hidden(folder.name)
    )
    own = [
        folder
        for folder in folders
        if folder.name in DATA_FOLDERS or (folder / TAG_TABLE).is_file()
    ]
    for folder in own:
        report.note('folder of a data set, not of a tag (left out)', folder)
    folders = [folder for folder in folders if folder not in own]
    if not folders:
        report.problem('no folder of a tag in it', path)
    table, files = {}, {}
    for folder in folders:
        images = sorted(
            file
            for file in folder.iterdir()
            if file.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(file.name)
        )
        if not images:
            report.problem('empty folder', folder, f'expected images ({", ".join(IMAGE_SUFFIXES)})')
        for file in images:
            if file.name in files and not _same(file, files[file.name]):
                report.problem(
                    'different photos of one name; rename one',
                    file,
                    f'not the same as {files[file.name]}',
                )
                continue
            files.setdefault(file.name, file)
            table.setdefault(file.name, [])
            if folder.name not in UNTAGGED_FOLDERS:
                table[file.name].append(folder.name)
    classes = tuple(folder.name for folder in folders if folder.name not in UNTAGGED_FOLDERS)
    return TagSource('folders of tags', table, classes, files)


def _same(one, two):
    regular = one.is_file() and two.is_file()
    return regular and filecmp.cmp(one, two, shallow=False)


def _unique(tags):
    return list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
