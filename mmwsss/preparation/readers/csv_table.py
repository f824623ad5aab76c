"""Tables of images and tags as text, and the rows of any table."""

import csv
import difflib
import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.list_check import BYTE_ORDER_MARK, LINE_ENDS
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES
from mmwsss.utils.io import tag_rows
from mmwsss.utils.limits import read_bytes

from .base import MALFORMED, TWICE, ReadOptions, TagReader, TagSource, unique_tags

# a column with one tag per row, which may contain blanks
ONE_TAG_HEADERS = ('tag', 'label', 'class', 'category')
TAG_HEADERS = (*ONE_TAG_HEADERS, 'tags', 'labels', 'classes', 'categories', 'keywords')
IMAGE_HEADERS = (
    'image',
    'images',
    'image_id',
    'image_name',
    'img',
    'img_path',
    'file',
    'filename',
    'file_name',
    'path',
    'filepath',
    'photo',
    'picture',
)
INDEX_HEADERS = ('', 'index', 'unnamed: 0', 'id')
YES, NO = ('1', '1.0', 'true', 'yes', 'x'), ('0', '0.0', 'false', 'no', '', '-1')
COMMAS = (
    'tags with commas between them, which separate columns; write a;b, or read them as they are '
    "with --separator ','"
)
UTF_8_MARK = b'\xef\xbb\xbf'
UTF_16 = (b'\xff\xfe', b'\xfe\xff')
WINDOWS = 'a table in Windows-1252 (Western European), not UTF-8; are these words right?'
WORDS_SHOWN = 5
# appearance of other encodings when they are read as Windows-1252: words of other scripts become
# sequences of accented letters, and symbols or capitals occur inside words
_FOREIGN = re.compile(
    r'[^\W\d_a-zA-Z]{3}|[¢¤¥¦¨¬¯¸¼¾‚†‡ˆ˜‰]|[¹²³ºª]\w|\w[¿¡]|[a-z][ŠŒŽŸ]|\w[ŠŒŽŸ][a-z]|[\x80-\x9f]'
)
Rows = list[tuple[int, list[str]]]


class CSVReader(TagReader):
    """Fields separated by ``,``, ``;`` or tabs. ``image,tags`` as in
    :func:`mmwsss.utils.io.read_tags`; any other two columns, with a row per tag, or tags separated
    by ``;``, ``|`` or blanks (a column ``label``, ``tag``, ``class`` or ``category`` is never split
    at blanks); or one column of 0 and 1 per tag. Row numbers and further columns next to those of
    images and tags are ignored.
    """

    kind = 'CSV of tags'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`; the last reader that is tried for a file."""
        return content is None and path.is_file()

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        try:
            return _read_csv(path, report, options)
        except csv.Error as error:
            raise ValueError(
                f'{path}: not a table that can be read ({error}); save it as UTF-8 CSV'
            ) from error


def _read_csv(path: Path, report: CheckReport, options: ReadOptions) -> TagSource:
    lines = table_lines(path, report)
    said = re.fullmatch(r'"?sep=(.)"?[,;\s]*', lines[0])
    if said:  # a line that Excel writes and reads
        lines[0] = ''
        delimiter, first = said[1], 1
    else:
        delimiter, first = max(',;\t', key=lines[0].count), 0
    header = [field.strip() for field in next(csv.reader(lines[first:][:1], delimiter=delimiter))]
    if header == ['image', 'tags'] and delimiter == ',' and options.separator is None:
        return _read_own_table(path, lines[first:], report)
    rows: Rows = [
        (number, row)
        for number, row in enumerate(csv.reader(lines[first:], delimiter=delimiter), first + 1)
    ]
    return read_rows(path, rows, report, options)


def read_rows(path: Path, rows: Rows, report: CheckReport, options: ReadOptions) -> TagSource:
    """Tags of the rows of a table of any program.

    Args:
        path: File, for messages.
        rows: Number and fields of each row, the header first.
        report: Report that receives the problems.
        options: Options of the user.

    Raises:
        ValueError: The file is not a table of images and tags.
    """
    rows = [(number, list(map(str.strip, row))) for number, row in rows]
    rows = [(number, row) for number, row in rows if any(row)]  # spreadsheets write empty rows
    if not rows:
        raise ValueError(f'{path}: the file is empty')
    header = rows[0][1]
    if PurePosixPath(header[0]).suffix.lower() in IMAGE_SUFFIXES:
        report.note('no header: the first row is taken for an image', path, header[0])
        header = ['image', 'tags']
    else:
        rows = rows[1:]
    if options.separator == ',':
        rows = [(number, [row[0], ','.join(row[1:])]) for number, row in rows]
        header = header[:2] if len(header) > 1 else [*header, 'tags']
    header, rows = _useful_columns(path, header, rows, report)
    if len(header) < 2:
        raise ValueError(
            f'{path}, line 1: expected the header "image,tags", or columns for image and tags, '
            f'found {",".join(header)[:100]!r}'
        )
    if len(header) == 2:
        return _read_pairs(path, header, rows, report, options.separator)
    return _read_columns(path, header, rows, report)


def _useful_columns(
    path: Path, header: list[str], rows: Rows, report: CheckReport
) -> tuple[list[str], Rows]:
    """Remove row numbers and all columns other than those of images and tags."""
    if len(header) < 3:
        return header, rows
    names = [name.casefold() for name in header]
    images = [index for index, name in enumerate(names) if name in IMAGE_HEADERS]
    tags = [index for index, name in enumerate(names) if name in TAG_HEADERS]
    if images and len(tags) == 1:
        keep = [images[0], tags[0]]
    elif names[0] in INDEX_HEADERS and images[:1] == [1]:
        keep = list(range(1, len(header)))
    else:
        return header, rows
    left_out = [name or 'without a name' for i, name in enumerate(header) if i not in keep]
    report.note('columns that are not read', path, ', '.join(left_out))
    kept: Rows = []
    for number, row in rows:
        complete = len(row) == len(header)  # a row with another length is reported later
        kept.append((number, [row[index] for index in keep] if complete else row[:1]))
    return [header[index] for index in keep], kept


def table_lines(path: Path, report: CheckReport) -> list[str]:
    """Lines of a text file, without the marks that programs leave in it.

    Args:
        path: File in UTF-8, UTF-16 with a byte-order mark, or Windows-1252.
        report: Report that receives notes about marks and the encoding.

    Raises:
        ValueError: The file is empty or has another encoding. The message names the file.
    """
    data = read_bytes(path, 'table of tags')
    encoding = 'utf-16' if data.startswith(UTF_16) else 'utf-8-sig'
    try:
        lines = data.decode(encoding).splitlines()
    except UnicodeDecodeError as error:
        lines = _windows_lines(path, data, report, error)
    if data.startswith(UTF_8_MARK):
        report.note(f'{BYTE_ORDER_MARK} (left out)', path)
    if b'\r' in data:
        report.note(f'{LINE_ENDS} (replaced)', path)
    if not lines:
        raise ValueError(f'{path}: the file is empty')
    return lines


def _windows_lines(
    path: Path, data: bytes, report: CheckReport, error: UnicodeDecodeError
) -> list[str]:
    """Lines of a table saved by Excel on Windows with a Western European locale.

    Raises:
        ValueError: The file does not look like such a table. The message names the file.
    """
    text = data.decode('cp1252', 'replace')
    marked = data.startswith((UTF_8_MARK, *UTF_16))
    if marked or '\0' in text or '\ufffd' in text or _FOREIGN.search(text):
        raise ValueError(
            f'{path}: not a UTF-8 text file ({error}), nor plainly one in Windows-1252; save the '
            f'table as UTF-8 CSV'
        ) from error
    plain = re.sub('[,;\t"|]', ' ', text)
    words = list(dict.fromkeys(re.findall(r'\S*[^\x00-\x7f]\S*', plain)))
    # names of photos must match those of the files, tags need not
    shown = [word for word in words if not word.lower().endswith(IMAGE_SUFFIXES)] or words
    more = ', ...' if len(shown) > WORDS_SHOWN else ''
    report.note(WINDOWS, path, ', '.join(shown[:WORDS_SHOWN]) + more)
    return text.splitlines()


def _read_own_table(path: Path, lines: list[str], report: CheckReport) -> TagSource:
    """The layout of ``image_tags.csv``."""
    table: dict[str, list[str]] = {}
    wrong_rows: list[tuple[int, str]] = []
    for number, name, tags, wrong in tag_rows(lines):
        if not wrong:
            table[name] = unique_tags(tags)
        elif 'listed twice' in wrong:
            report.problem(TWICE, f'{path}, line {number}', wrong)
        else:
            wrong_rows.append((number, wrong))
    known = set().union(*table.values())
    for number, wrong in wrong_rows:
        advice = _advice(lines[number - 1], known)
        report.problem(MALFORMED, f'{path}, line {number}', wrong + advice)
    commas = [number for number, _ in wrong_rows if _is_comma_list(lines[number - 1], known)]
    if len(commas) > len(table):
        report.problem(COMMAS, path, f'{len(commas)} rows')
    _note_blanks(table, report)
    return TagSource('CSV of tags', table, None, None)


def _parts(line: str) -> list[str]:
    """Tags of a row whose tags are separated by commas."""
    return [part.strip().strip('"') for part in line.split(',')[1:] if part.strip()]


def _is_comma_list(line: str, known: set[str]) -> bool:
    """Whether a row probably separates tags by commas, because its parts are tags in other rows or
    single words.
    """
    parts = _parts(line)
    return len(parts) > 1 and all(part in known or re.fullmatch(r'[\w-]+', part) for part in parts)


def _advice(line: str, known: set[str]) -> str:
    """Correct form of a row with a comma."""
    parts = _parts(line)
    if len(parts) > 1 and all(part in known for part in parts):
        return f'; all of these are tags elsewhere, so write {";".join(parts)}'
    odd = [part for part in parts if part not in known]
    near = difflib.get_close_matches(odd[0], known, 1) if len(parts) > 1 and odd else []
    return f'; {odd[0]!r} is a tag nowhere else, did you mean {near[0]!r}?' if near else ''


def _note_blanks(table: dict[str, list[str]], report: CheckReport) -> None:
    """Note words that always occur together in the same order, which are probably one tag without
    quotes.
    """
    after: dict[str, set[str | None]] = {}
    before: dict[str, set[str | None]] = {}
    counts: dict[str, int] = {}
    for tags in table.values():
        for tag, following, preceding in zip(tags, [*tags[1:], None], [None, *tags[:-1]]):
            after.setdefault(tag, set()).add(following)
            before.setdefault(tag, set()).add(preceding)
            counts[tag] = counts.get(tag, 0) + 1
    for tag, followers in after.items():
        other = next(iter(followers)) if len(followers) == 1 else None
        if other is not None and counts[tag] > 1 and before[other] == {tag}:
            report.note(
                'words that always occur together: if they are one tag, put it in quotes or write '
                'a ";" behind it',
                f'{tag} {other}',
                f'{counts[tag]} photos',
            )


def _read_pairs(
    path: Path, header: list[str], rows: Rows, report: CheckReport, separator: str | None
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
        tags = _split(row[1], separator, single)
        table[row[0]] = unique_tags([*table.get(row[0], ()), *tags])
    return TagSource('CSV of images and tags', table, None, None)


def _split(text: str, separator: str | None, single: bool) -> list[str]:
    """Tags of a field, which may also be a list in the notation of Python or JSON."""
    if re.fullmatch(r'\[.*\]|\(.*\)|\{.*\}', text):
        pairs = re.findall(r'\'([^\']*)\'|"([^"]*)"', text)
        return list(filter(None, chain.from_iterable(pairs)))
    if separator is None:
        separator = next((mark for mark in ';|,' if mark in text), None if not single else '\n')
    return [tag.strip().strip('"') for tag in text.split(separator) if tag.strip()]


def _read_columns(
    path: Path, header: list[str], rows: Sequence[tuple[int, list[str]]], report: CheckReport
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
