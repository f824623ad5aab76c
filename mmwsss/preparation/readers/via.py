"""VGG Image Annotator: regions and file attributes."""

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from mmwsss.preparation.check_report import CheckReport

from .base import MALFORMED, ReadOptions, TagReader, TagSource, TagTable


class VIAReader(TagReader):
    """A project of VIA 2 or its export of annotations. Texts of drop-down lists and selected check
    boxes are tags, both of regions and of whole files.
    """

    kind = 'VIA annotations'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`."""
        entries = _entries(content)
        first = next(iter(entries.values()), None) if entries else None
        return isinstance(first, dict) and 'filename' in first and 'regions' in first

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        table = TagTable(report)
        for key, entry in _entries(content).items():
            where = f'{path}, {key[:60]}'
            if not isinstance(entry, dict):
                report.problem(MALFORMED, where, f'expected "filename", found {repr(entry)[:60]}')
                continue
            regions = entry.get('regions') or []
            # old exports number the regions
            regions = list(regions.values()) if isinstance(regions, dict) else regions
            attributes = [entry.get('file_attributes')]
            parts = (part for part in regions if isinstance(part, dict))
            attributes += [part.get('region_attributes') for part in parts]
            described = [part for part in attributes if isinstance(part, dict)]
            tags = list(chain.from_iterable(map(_tags, described)))
            table.add(where, entry.get('filename'), tags)
        return TagSource(self.kind, table.rows, None, None)


def _entries(content: Any) -> Mapping[str, Any]:
    if not isinstance(content, dict):
        return {}
    inner = content.get('_via_img_metadata', content)
    return inner if isinstance(inner, dict) else {}


def _tags(attributes: Mapping[str, Any]) -> Iterator[str]:
    """Texts, and names of boxes that are ticked."""
    for value in attributes.values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from (name for name, chosen in value.items() if chosen is True)
