"""Keywords inside photos (XMP, IPTC) and in sidecar files, as photo programs write them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from PIL import IptcImagePlugin

from mmwsss.preparation.check_report import CheckReport
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, walk_files
from mmwsss.utils.image_io import open_image
from mmwsss.utils.limits import parse_xml, read_bytes

from .base import MALFORMED, ReadOptions, TagReader, TagSource, TagTable

SUBJECT = '{http://purl.org/dc/elements/1.1/}subject'
ITEM = '{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li'
IPTC_KEYWORDS = (2, 25)
ENOUGH = 50  # photos that are searched for keywords


class PhotoKeywordReader(TagReader):
    """A folder of photos without a table; keywords from ``<photo>.xmp`` or ``<photo>.jpg.xmp``,
    from XMP (``dc:subject``) and from IPTC are combined.
    """

    kind = 'keywords of photos'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`: one of the first photos has keywords."""
        if not path.is_dir():
            return False
        files = sorted(walk_files(path, IMAGE_SUFFIXES))[:ENOUGH]
        report = CheckReport(str(path))
        return any(photo_keywords(path / name, report) for name in files)

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        table, files = TagTable(report), {}
        for name in sorted(walk_files(path, IMAGE_SUFFIXES)):
            table.add(path / name, name, photo_keywords(path / name, report))
            files[name] = path / name
        return TagSource(self.kind, table.rows, None, files)


def photo_keywords(path: Path, report: CheckReport) -> list[str]:
    """Keywords of a photo and of its sidecar file, in order."""
    found: list[str] = []
    for sidecar in (path.with_suffix('.xmp'), Path(f'{path}.xmp')):
        if sidecar.is_file():
            found += _of_xmp(read_bytes(sidecar, 'sidecar file'), sidecar, report)
    try:
        with open_image(path) as image:
            packet = image.info.get('xmp') or b''
            stored: Any = image
            iptc = IptcImagePlugin.getiptcinfo(stored) or {}
    except (ValueError, OSError, SyntaxError):  # reported by the check of the photos
        return found
    packet = packet.encode() if isinstance(packet, str) else packet
    if packet:
        found += _of_xmp(packet.strip(b'\x00 \r\n\t'), path, report)
    values = iptc.get(IPTC_KEYWORDS, [])
    values = values if isinstance(values, list) else [values]
    return found + [value.decode('utf-8', errors='replace') for value in values]


def _of_xmp(packet: bytes, path: Path, report: CheckReport) -> Iterator[str]:
    """Keywords of an XMP packet."""
    try:
        root: ElementTree.Element = parse_xml(packet, path)
    except ValueError as error:
        report.problem(MALFORMED, path, str(error).removeprefix(f'{path}: '))
        return
    for subject in root.iter(SUBJECT):
        yield from (item.text.strip() for item in subject.iter(ITEM) if item.text)
