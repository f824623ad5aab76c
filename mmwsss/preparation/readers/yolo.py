"""YOLO: a text file of class numbers and coordinates per image."""

from itertools import product
from pathlib import Path
from typing import Any

from mmwsss.preparation.check_report import CheckReport
from mmwsss.utils.limits import read_text
from mmwsss.utils.yaml_files import read_yaml

from .base import MALFORMED, ReadOptions, TagReader, TagSource, TagTable

LISTS = ('classes.txt', 'obj.names')


class YOLOReader(TagReader):
    """A folder with ``labels/`` (also ``labels/train`` and so on) and the names in ``data.yaml``,
    another ``.yaml``, ``classes.txt`` or ``obj.names``. An empty file is an image without tags.
    """

    kind = 'YOLO labels'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`."""
        return path.is_dir() and (path / 'labels').is_dir()

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        names = _names(path) or list(options.classes or ())
        if not names:
            raise ValueError(
                f'{path}: labels have numbers only: put the names into data.yaml, or give them '
                f'with --classes'
            )
        table = TagTable(report)
        for file in sorted((path / 'labels').rglob('*.txt')):
            if file.name in LISTS:
                continue
            tags = []
            for number, line in enumerate(read_text(file, 'label file').splitlines(), 1):
                words = line.split()
                if words and words[0].isdecimal() and int(words[0]) < len(names):
                    tags.append(names[int(words[0])])
                elif words:
                    detail = f'{words[0][:20]!r} is not the number of one of {len(names)} classes'
                    report.problem(MALFORMED, f'{file}, line {number}', detail)
            name = file.relative_to(path / 'labels').with_suffix('').as_posix()
            table.add(file, name, tags)
        return TagSource(self.kind, table.rows, tuple(names), None)


def _names(path: Path) -> list[str]:
    """Class names by number; empty if no file contains them."""
    for file in sorted(path.glob('*.y*ml')):
        names = (read_yaml(file) or {}).get('names')
        if isinstance(names, dict):
            names = [names[key] for key in sorted(names)]
        if isinstance(names, list):
            return [str(name) for name in names]
    for folder, name in product((path, path / 'labels'), LISTS):
        file = folder / name
        if file.is_file():
            lines = read_text(file, 'class file').splitlines()
            return [line.strip() for line in lines if line.strip() not in ('', 'background')]
    return []
