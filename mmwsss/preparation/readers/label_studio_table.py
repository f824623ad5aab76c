"""Label Studio: the CSV export, and the short JSON export of the same rows."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmwsss.preparation.check_report import CheckReport

from .base import MALFORMED, ReadOptions, TagReader, TagSource, TagTable
from .csv_table import table_lines
from .label_studio import image_of_task

# columns in the order of Label Studio: data of the task, its id, labels by the name of their
# control, then these
TASK_ID = 'id'
ABOUT = ('annotator', 'annotation_id', 'agreement', 'created_at', 'updated_at', 'lead_time')
SIGNS = ('annotation_id', 'lead_time')  # columns of an export
HEAD = 1 << 16  # largest size of a header in bytes
LONGEST_FIELD = 1 << 26  # characters: a brush mask is a list of numbers in one field


class LabelStudioTableReader(TagReader):
    """A row per annotation (CSV, or JSON-MIN). A field of labels is a name, a list of names, or the
    choices, boxes, polygons and brush masks as JSON. Rows of the same task are joined.
    """

    kind = 'Label Studio table'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`."""
        if content is None:
            return path.is_file() and {*SIGNS} <= {*_header(path)}
        first = content[0] if isinstance(content, list) and content else None
        return isinstance(first, dict) and {*SIGNS} <= {*first} and 'data' not in first

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        table = TagTable(report)
        rows = _csv_rows(path, report) if content is None else _json_rows(path, content)
        for where, row in rows:
            try:
                table.add(where, *_image_and_tags(row))
            except ValueError as error:
                report.problem(MALFORMED, where, str(error))
        return TagSource(self.kind, table.rows, None, None)


def _header(path: Path) -> list[str]:
    """Names of the columns, if a file is a table."""
    with open(path, 'rb') as file:
        line = file.readline(HEAD).decode('utf-8-sig', 'replace')
    return line.strip().replace('"', '').split(',')


def _csv_rows(path: Path, report: CheckReport) -> Iterator[tuple[str, dict[str, Any]]]:
    lines = table_lines(path, report)
    bound = csv.field_size_limit(LONGEST_FIELD)
    try:
        reader = csv.DictReader(lines)
        for row in reader:
            yield f'{path}, line {reader.line_num}', row
    finally:
        csv.field_size_limit(bound)


def _json_rows(path: Path, content: Iterable[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, row in enumerate(content):
        yield f'{path}, entry {number}', row if isinstance(row, dict) else {}


def _image_and_tags(row: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """Name of the image and tags of a row.

    Raises:
        ValueError: The row is incomplete, or a field does not contain labels.
    """
    columns = list(row)
    if TASK_ID not in columns or None in columns:
        raise ValueError(f'expected columns of data, "id", labels and {", ".join(ABOUT)}')
    start = columns.index(TASK_ID)
    data = {column: row[column] for column in columns[:start]}
    tags: list[str] = []
    for column in columns[start + 1 :]:
        if column in ABOUT:
            break
        tags += _labels(row[column])
    return image_of_task(data), tags


def _labels(value: Any) -> list[str]:
    """Labels of a field in any of the short forms of Label Studio.

    Raises:
        ValueError: The field does not contain labels.
    """
    if isinstance(value, str) and value[:1] in ('[', '{'):
        value = json.loads(value)
    if isinstance(value, str) or value is None:
        return [value] if value else []
    parts = value if isinstance(value, list) else [value]
    return [label for part in parts for label in _labels_of(part)]


def _labels_of(part: Any) -> list[str]:
    """Labels of a region or of several choices."""
    if isinstance(part, str):
        return [part]
    lists = [
        labels
        for key, labels in (part.items() if isinstance(part, dict) else ())
        if key == 'choices' or key.endswith('labels')
    ]
    if not lists or not all(isinstance(labels, list) for labels in lists):
        raise ValueError(f'expected choices or labels, found {json.dumps(part)[:100]}')
    return [label for labels in lists for label in labels]
