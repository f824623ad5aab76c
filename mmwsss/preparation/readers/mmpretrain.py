"""MMPretrain's multi-label JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmwsss.preparation.check_report import CheckReport

from .base import MALFORMED, TWICE, ReadOptions, TagReader, TagSource, unique_tags


class MMPretrainReader(TagReader):
    """``metainfo.classes`` and ``data_list`` with ``img_path`` and ``gt_label``."""

    kind = "MMPretrain's multi-label JSON"

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`."""
        return isinstance(content, dict) and 'data_list' in content

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        return _read_mmpretrain(path, content, report, options.classes)


def _read_mmpretrain(
    path: Path, content: dict[str, Any], report: CheckReport, classes: Sequence[str] | None
) -> TagSource:
    """MMPretrain: ``metainfo.classes`` and ``data_list`` with numbers."""
    kind, information = "MMPretrain's multi-label JSON", content.get('metainfo', {})
    listed = information.get('classes', classes) if isinstance(information, dict) else None
    if not isinstance(information, dict) or not isinstance(listed, (list, tuple, type(None))):
        report.problem(
            '"metainfo" that is not an object with a list "classes"', path, repr(information)[:60]
        )
        return TagSource(kind, {}, None, None)
    if not isinstance(content['data_list'], list):
        report.problem('"data_list" that is not a list', path, repr(content['data_list'])[:60])
        return TagSource(kind, {}, None, None)
    if not listed:
        raise ValueError(f'{path}: no classes in "metainfo", give them with --classes')
    names = tuple(str(name) for name in listed)
    table: dict[str, list[str]] = {}
    for number, entry in enumerate(content['data_list']):
        where = f'{path}, data_list[{number}]'
        labels = entry.get('gt_label', []) if isinstance(entry, dict) else None
        labels = [labels] if isinstance(labels, int) else labels
        if not isinstance(labels, list) or not isinstance(entry.get('img_path'), str):
            report.problem(MALFORMED, where, 'expected "img_path" and "gt_label"')
            continue
        known = range(len(names))
        wrong = [label for label in labels if not isinstance(label, int) or label not in known]
        if wrong:
            report.problem(
                f'label outside the {len(names)} classes',
                where,
                f'{entry["img_path"]}: {wrong[0]!r}',
            )
        elif entry['img_path'] in table:
            report.problem(TWICE, where, repr(entry['img_path']))
        else:
            table[entry['img_path']] = unique_tags([names[label] for label in labels])
    return TagSource(kind, table, tuple(name for name in names if name != 'background'), None)
