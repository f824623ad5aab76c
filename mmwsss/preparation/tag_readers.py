"""Tables of image tags as other programs write them, read with one report of everything that is
wrong.
"""

import csv
import filecmp
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmwsss.preparation.check_report import CheckReport
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
    table: dict[str, list[str]]  # image as written -> tags
    classes: tuple[str, ...] | None  # the classes it lists, without background
    files: dict[str, Path] | None  # image -> path, of folders


def read_tag_source(
    path: str | Path, report: CheckReport, classes: Sequence[str] | None = None
) -> TagSource:
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
    return _read_json(path, report, classes)


def _read_json(path: Path, report: CheckReport, classes: Sequence[str] | None) -> TagSource:
    """JSON of any of the known layouts."""
    repeated: list[str] = []
    content = read_json(path, repeated)
    of_program = isinstance(content, dict) and (
        'data_list' in content or {'images', 'annotations', 'categories'} <= content.keys()
    )
    for name in repeated:
        report.problem('JSON object with a key twice' if of_program else TWICE, path, repr(name))
    if of_program and 'data_list' in content:
        return _read_mmpretrain(path, content, report, classes)
    if of_program:
        return _read_coco(path, content, report)
    if not isinstance(content, dict):
        raise ValueError(
            f'{path}: expected an object: image -> tags, MMPretrain\'s "data_list", or COCO\'s '
            f'"images" and "annotations"'
        )
    return _read_tag_lists(path, content, report)


def _read_tag_lists(path: Path, content: dict[str, Any], report: CheckReport) -> TagSource:
    """``{"image": ["tag", ...]}``."""
    table: dict[str, list[str]] = {}
    for name, tags in content.items():
        if isinstance(tags, str):
            tags = [tags]
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            report.problem(MALFORMED, path, f'{name!r}: expected a list of tags, found {tags!r}')
        else:
            table[name] = _unique(tags)
    return TagSource('JSON of tags', table, None, None)


def _read_csv(path: Path, report: CheckReport) -> TagSource:
    lines = _table_lines(path, report)
    delimiter = max(',;\t', key=lines[0].count)
    header = [field.strip() for field in next(csv.reader(lines[:1], delimiter=delimiter))]
    if header == ['image', 'tags'] and delimiter == ',':
        return _read_own_table(path, lines, report)
    if len(header) < 2:
        raise ValueError(
            f'{path}, line 1: expected the header "image,tags", or columns for image and tags, '
            f'found {lines[0][:100]!r}'
        )
    rows: list[tuple[int, list[str]]] = []
    for number, row in enumerate(csv.reader(lines[1:], delimiter=delimiter), 2):
        fields = [field.strip() for field in row]
        if any(fields):  # spreadsheets write empty rows
            rows.append((number, fields))
    read = _read_pairs if len(header) == 2 else _read_columns
    return read(path, header, rows, report)


def _table_lines(path: Path, report: CheckReport) -> list[str]:
    """Lines of a text file, without the marks that programs leave in it; there is at least one."""
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
    return lines


def _read_own_table(path: Path, lines: list[str], report: CheckReport) -> TagSource:
    """The layout of ``image_tags.csv``."""
    table: dict[str, list[str]] = {}
    for number, name, tags, wrong in tag_rows(lines):
        if wrong:
            kind = TWICE if 'listed twice' in wrong else MALFORMED
            report.problem(kind, f'{path}, line {number}', wrong)
        else:
            table[name] = _unique(tags)
    return TagSource('CSV of tags', table, None, None)


def _read_pairs(
    path: Path, header: list[str], rows: list[tuple[int, list[str]]], report: CheckReport
) -> TagSource:
    """A row per image, or per image and tag."""
    table: dict[str, list[str]] = {}
    single = header[1].casefold() in ONE_TAG_HEADERS
    for number, row in rows:
        if len(row) != 2 or not row[0]:
            report.problem(
                MALFORMED, f'{path}, line {number}', f'expected 2 fields, found {len(row)}'
            )
            continue
        separator = next((mark for mark in ';|,' if mark in row[1]), None if not single else '\n')
        tags = [tag.strip().strip('"') for tag in row[1].split(separator) if tag.strip()]
        table[row[0]] = _unique([*table.get(row[0], ()), *tags])
    return TagSource('CSV of images and tags', table, None, None)


def _read_columns(
    path: Path, header: list[str], rows: list[tuple[int, list[str]]], report: CheckReport
) -> TagSource:
    """A column of 0 and 1 per tag."""
    table: dict[str, list[str]] = {}
    lines: dict[str, int] = {}
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


def _read_mmpretrain(
    path: Path, content: dict[str, Any], report: CheckReport, classes: Sequence[str] | None
) -> TagSource:
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
    names = tuple(str(name) for name in listed)
    table: dict[str, list[str]] = {}
    for number, entry in enumerate(content['data_list']):
        where = f'{path}, data_list[{number}]'
        labels = entry.get('gt_label', []) if isinstance(entry, dict) else None
        labels = [labels] if isinstance(labels, int) else labels
        if not isinstance(labels, list) or not isinstance(entry.get('img_path'), str):
            report.problem(MALFORMED, where, 'expected "img_path" and "gt_label"')
            continue
        known = range(len(names))
        wrong = [label for label in labels if not isinstance(label, int) or label not in known]
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


def _read_coco(path: Path, content: dict[str, Any], report: CheckReport) -> TagSource:
    """COCO: tags are the categories of an image's annotations."""
    names: dict[int | str, str] = {}
    files: dict[int | str, str] = {}
    table: dict[str, list[str]] = {}
    number_or_name = (int, str)
    fields: dict[str, Any] = {'id': number_or_name, 'name': str}
    for where, entry in _coco_entries(path, content, 'categories', fields, report):
        if entry['id'] in names:
            report.problem('category listed twice', where, f'id {entry["id"]!r}, {entry["name"]!r}')
        names[entry['id']] = entry['name']
    fields = {'id': number_or_name, 'file_name': str}
    for where, entry in _coco_entries(path, content, 'images', fields, report):
        if entry['id'] in files or entry['file_name'] in table:
            report.problem(TWICE, where, f'id {entry["id"]!r}, {entry["file_name"]!r}')
        files[entry['id']] = entry['file_name']
        table[entry['file_name']] = []
    fields = {'image_id': number_or_name, 'category_id': number_or_name}
    for where, entry in _coco_entries(path, content, 'annotations', fields, report):
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


def _coco_entries(
    path: Path,
    content: dict[str, Any],
    key: str,
    fields: Mapping[str, type | tuple[type, ...]],
    report: CheckReport,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Entries of an array that have their fields: (place for messages, entry); the others are
    reported.
    """
    if not isinstance(content[key], list):
        report.problem(f'"{key}" that is not a list', path, repr(content[key])[:60])
        return
    for number, entry in enumerate(content[key]):
        where = f'{path}, {key}[{number}]'
        if not isinstance(entry, dict) or not all(
            isinstance(entry.get(name), types) for name, types in fields.items()
        ):
            report.problem(
                MALFORMED, where, f'expected {" and ".join(fields)}, found {repr(entry)[:60]}'
            )
        else:
            yield where, entry


def _tag_folders(path: Path, report: CheckReport) -> list[Path]:
    """The folders of tags, without hidden ones and those of a data set."""
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
    return [folder for folder in folders if folder not in own]


def _read_folders(path: Path, report: CheckReport) -> TagSource:
    """A folder per tag."""
    folders = _tag_folders(path, report)
    if not folders:
        report.problem('no folder of a tag in it', path)
    table: dict[str, list[str]] = {}
    files: dict[str, Path] = {}
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


def _same(one: Path, two: Path) -> bool:
    regular = one.is_file() and two.is_file()
    return regular and filecmp.cmp(one, two, shallow=False)


def _unique(tags: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
