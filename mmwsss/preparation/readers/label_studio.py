"""Label Studio: tags of choices, boxes, polygons and brush masks."""

from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse

from mmwsss.preparation.check_report import CheckReport

from .base import MALFORMED, ReadOptions, TagReader, TagSource, TagTable

UPLOAD_DIGITS = 8  # digits that Label Studio prepends to the name of an uploaded file


class LabelStudioReader(TagReader):
    """An export of tasks (JSON); annotations are used, or predictions if a task has none. Cancelled
    annotations are ignored.
    """

    kind = 'Label Studio tasks'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`."""
        first = content[0] if isinstance(content, list) and content else None
        return (
            isinstance(first, dict)
            and isinstance(first.get('data'), dict)
            and ('annotations' in first or 'predictions' in first or 'completions' in first)
        )

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        table = TagTable(report)
        for number, task in enumerate(content):
            where = f'{path}, task {number}'
            if not isinstance(task, dict) or not isinstance(task.get('data'), dict):
                report.problem(MALFORMED, where, f'expected "data", found {repr(task)[:60]}')
                continue
            try:
                table.add(where, image_of_task(task['data']), _labels(task))
            except (AttributeError, TypeError) as error:
                report.problem(MALFORMED, where, str(error))
        return TagSource(self.kind, table.rows, None, None)


def image_of_task(data: dict[str, Any]) -> str | None:
    """Name of the image of a task: the id written by mmwsss, or the first text that looks like a
    file, without the random digits of an upload.
    """
    if 'image_id' in data:
        return str(data['image_id'])
    texts = [value for value in data.values() if isinstance(value, str)]
    text = data.get('image', texts[0] if texts else None)
    if not isinstance(text, str):
        return None
    url = urlparse(text)
    name = PurePosixPath(unquote(url.query.removeprefix('d=') or url.path)).name
    head, dash, rest = name.partition('-')
    hexadecimal = len(head) == UPLOAD_DIGITS and set(head) <= set('0123456789abcdef')
    return rest if dash and rest and hexadecimal and '/upload/' in text else name


def _labels(task: dict[str, Any]) -> list[str]:
    """Labels of all results, in order."""
    done = [
        entry
        for entry in task.get('annotations') or task.get('completions') or ()
        if not entry.get('was_cancelled')
    ]
    found: list[Any] = []
    for entry in done or task.get('predictions') or ():
        for result in entry.get('result') or ():
            value = result.get('value', {})
            found += value.get('choices') or value.get(result.get('type', '')) or []
    return found
