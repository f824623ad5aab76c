"""labelme: a JSON file per image, with shapes and flags."""

from pathlib import Path, PurePosixPath
from typing import Any

from mmwsss.preparation.check_report import CheckReport
from mmwsss.utils.io import read_json

from .base import MALFORMED, ReadOptions, TagReader, TagSource, TagTable


class LabelmeReader(TagReader):
    """Labels of the shapes and flags that are set, from a folder of such files or a single one."""

    kind = 'labelme annotations'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`; a folder is recognised by its first file."""
        if path.is_dir():
            first = next(iter(sorted(path.rglob('*.json'))), None)
            return first is not None and _is_labelme(_content(first))
        return _is_labelme(content)

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        table = TagTable(report)
        for file in sorted(path.rglob('*.json')) if path.is_dir() else [path]:
            found = _content(file)
            if not _is_labelme(found):
                report.problem(MALFORMED, file, 'not a labelme file (it has no "shapes")')
                continue
            name = file.relative_to(path).as_posix() if path.is_dir() else file.name
            labels = [
                shape.get('label') if isinstance(shape, dict) else shape
                for shape in found['shapes']
            ]
            flags = found.get('flags') or {}
            set_flags = [flag for flag, value in flags.items() if value is True]
            table.add(file, PurePosixPath(name).with_suffix('').as_posix(), [*labels, *set_flags])
        return TagSource(self.kind, table.rows, None, None)


def _content(path: Path) -> Any:
    """Content of a JSON file, or None if the file is not JSON."""
    try:
        return read_json(path)
    except ValueError:
        return None


def _is_labelme(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get('shapes'), list)
