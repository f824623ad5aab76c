"""COCO annotations: tags are the categories of an image's annotations."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmwsss.preparation.check_report import CheckReport

from .base import MALFORMED, TWICE, ReadOptions, TagReader, TagSource


class COCOReader(TagReader):
    """``images``, ``annotations`` and ``categories``; boxes and polygons are not read."""

    kind = 'COCO annotations'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`."""
        keys = {'images', 'annotations', 'categories'}
        return isinstance(content, dict) and keys <= content.keys()

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        return _read_coco(path, content, report)


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
