"""Reading of tags in all supported formats, which are recognised by the content."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.readers import READERS, PhotoKeywordReader, ReadOptions, TagSource
from mmwsss.preparation.readers.base import TWICE
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, is_hidden
from mmwsss.utils.io import read_json
from mmwsss.utils.limits import check_regular_file, read_text, read_xml

HEAD = 4096  # bytes from which the format of a file is recognised
MARKS = b'\xef\xbb\xbf \t\r\n'


def read_tag_source(
    path: str | Path,
    report: CheckReport,
    classes: Sequence[str] | None = None,
    *,
    separator: str | None = None,
) -> TagSource:
    """Read tags from a table, annotations, folders or the photos themselves.

    A file can be a CSV, an Excel workbook, JSON (a plain object or records, MMPretrain, COCO, Label
    Studio, labelme, VIA), JSON Lines, CVAT XML or PASCAL VOC XML. A folder can contain labelme,
    PASCAL VOC or YOLO files, one folder per tag, or photos with keywords. The readers document the
    details (:mod:`mmwsss.preparation.readers`).

    Args:
        path (str | Path): The source.
        report (CheckReport): Report that receives the problems.
        classes (Sequence[str], optional): Class names without background, for files that contain
            only numbers.
        separator (str, optional): Separator of the tags in a field of a table.

    Returns:
        TagSource

    Raises:
        FileNotFoundError: The file or folder does not exist.
        ValueError: The file has none of these formats. The message names it.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f'{path}: neither a file nor a folder of tags')
    options = ReadOptions(classes, separator)
    if path.is_dir() and _is_plain_folder(path):
        return PhotoKeywordReader().read(path, None, report, options)
    repeated: list[str] = []
    content = None if path.is_dir() else _parsed(path, repeated)
    for reader in (kind() for kind in READERS):
        if reader.fits(path, content):
            of_program = reader.kind != 'JSON of tags'
            for name in repeated:
                kind = 'JSON object with a key twice' if of_program else TWICE
                report.problem(kind, path, repr(name))
            return reader.read(path, content, report, options)
    raise ValueError(
        f"{path}: expected an object: image -> tags, records of images and tags, MMPretrain's "
        f'"data_list", COCO\'s "images" and "annotations", or tasks of Label Studio'
    )


def _is_plain_folder(path: Path) -> bool:
    """Whether a folder directly contains photos of which one has keywords."""
    photos = any(
        file.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(file.name)
        for file in path.iterdir()
        if file.is_file()
    )
    return photos and PhotoKeywordReader().fits(path, None)


def _head(path: Path) -> bytes:
    with open(path, 'rb') as file:
        return file.read(HEAD).lstrip(MARKS)


def _is_json(path: Path) -> bool:
    return path.suffix.lower() in ('.json', '.jsonl') or _head(path)[:1] == b'{'


def _parsed(path: Path, repeated: list[str]) -> Any:
    """Content of a JSON or XML file; None for other files."""
    check_regular_file(path, 'table of tags')
    head = _head(path)
    if path.suffix.lower() == '.jsonl':
        return _json_lines(path)
    if _is_json(path):
        return read_json(path, repeated)
    return read_xml(path, 'annotations') if head[:1] == b'<' else None


def _json_lines(path: Path) -> list[Any]:
    """Parse one record per line."""
    records = []
    text = read_text(path, 'JSON Lines file', option='MMWSSS_MAX_JSON_MB')
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            records.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise ValueError(f'{path}, line {number}: not JSON ({error})') from error
    return records
