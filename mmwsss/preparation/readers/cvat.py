"""CVAT for images 1.1: tags and the labels of all shapes."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from mmwsss.preparation.check_report import CheckReport

from .base import MALFORMED, ReadOptions, TagReader, TagSource, TagTable

SHAPES = ('tag', 'box', 'polygon', 'polyline', 'points', 'mask', 'ellipse', 'cuboid', 'skeleton')


class CVATReader(TagReader):
    """``annotations.xml``."""

    kind = 'CVAT annotations'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`."""
        return isinstance(content, ElementTree.Element) and content.tag == 'annotations'

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        table = TagTable(report)
        for number, image in enumerate(content.iter('image')):
            labels = [shape.get('label') for shape in image if shape.tag in SHAPES]
            table.add(f'{path}, image {number}', image.get('name'), labels)
        if content.find('track') is not None:
            detail = 'export as "CVAT for images 1.1"'
            report.problem(MALFORMED, path, f'tracks of a video, not images; {detail}')
        listed = [name.text or '' for name in content.findall('meta//label/name')]
        return TagSource(self.kind, table.rows, tuple(dict.fromkeys(listed)) or None, None)
