"""PASCAL VOC: an XML file per image."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from mmwsss.preparation.check_report import CheckReport
from mmwsss.utils.tag_sources import tags_from_xml

from .base import MALFORMED, ReadOptions, TagReader, TagSource, TagTable


class VOCReader(TagReader):
    """A folder of ``<annotation>`` files, or one of them; parts of objects do not count."""

    kind = 'PASCAL VOC annotations'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`."""
        if path.is_dir():
            return any(path.glob('*.xml'))
        return isinstance(content, ElementTree.Element) and content.tag == 'annotation'

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        table = TagTable(report)
        for file in sorted(path.glob('*.xml')) if path.is_dir() else [path]:
            try:
                table.add(file, file.stem, tags_from_xml(file))
            except ValueError as error:
                report.problem(MALFORMED, file, str(error).removeprefix(f'{file}: '))
        return TagSource(self.kind, table.rows, None, None)
