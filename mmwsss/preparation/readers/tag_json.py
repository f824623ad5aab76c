"""JSON of images and tags: an object, or a list of records."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmwsss.preparation.check_report import CheckReport

from .base import MALFORMED, ReadOptions, TagReader, TagSource, TagTable

IMAGE_KEYS = ('image', 'file_name', 'filename', 'file', 'path', 'photo', 'img', 'img_path', 'name')
TAG_KEYS = ('tags', 'labels', 'classes', 'categories', 'keywords', 'tag', 'label', 'class')


class TagObjectReader(TagReader):
    """``{"image": ["tag", ...]}``."""

    kind = 'JSON of tags'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`; the last reader that is tried for an object."""
        return isinstance(content, dict)

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        table = TagTable(report)
        for name, tags in content.items():
            tags = [tags] if isinstance(tags, str) else tags
            if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
                detail = f'{name!r}: expected a list of tags, found {tags!r}'
                report.problem(MALFORMED, path, detail)
            else:
                table.add(path, name, tags)
        return TagSource(self.kind, table.rows, None, None)


class TagRecordReader(TagReader):
    """``[{"image": "a.jpg", "tags": ["dog"]}, ...]``, also with one record per line (JSON
    Lines).
    """

    kind = 'JSON of records'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`."""
        return bool(
            isinstance(content, list)
            and content
            and isinstance(content[0], dict)
            and any(key in content[0] for key in IMAGE_KEYS)
            and any(key in content[0] for key in TAG_KEYS)
        )

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        table = TagTable(report)
        for number, record in enumerate(content):
            record = record if isinstance(record, Mapping) else {}
            image = next((record[key] for key in IMAGE_KEYS if key in record), None)
            tags: Any = next((record[key] for key in TAG_KEYS if key in record), [])
            if tags is None:
                tags = []
            elif not isinstance(tags, list):
                tags = [tags]
            table.add(f'{path}, record {number}', image, tags)
        return TagSource(self.kind, table.rows, None, None)
