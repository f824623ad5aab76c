"""Check and repair of id lists with paths, extensions, repeated lines and the marks that Windows
programs leave.
"""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from mmwsss.preparation.check_report import CheckReport
from mmwsss.utils.file_lookup import image_id
from mmwsss.utils.limits import read_bytes
from mmwsss.utils.names import name_problem

PATHS = 'ids with a path or an extension (an id is the bare file name)'
TWICE = 'ids listed twice'
LINE_ENDS = 'Windows line ends'
BYTE_ORDER_MARK = 'byte-order mark at the start'
UNFIT = 'ids that cannot be names of files'
EMPTY = 'the list names no image'


def check_id_list(path: str | Path, report: CheckReport, repair: bool = False) -> list[str]:
    """Read a list of bare ids, one per line, and report everything unusual.

    Args:
        path (str | Path): Text file. A line with two columns, such as ``/JPEGImages/a.jpg
            /SegmentationClass/a.png``, is an image.
        report (CheckReport): Report that receives the problems; with ``repair`` they are notes,
            because the returned ids are clean.
        repair (bool): See above.

    Returns:
        list[str]: Ids without path, extension and repetition, in order.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not UTF-8 text.
    """
    complain = report.note if repair else report.problem
    text = _decode(path, complain)
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        name = image_id(PurePosixPath(words[0].replace('\\', '/')).name)
        where = f'{path}, line {number}'
        if name != line.strip():
            complain(PATHS, where, f'{line.strip()!r} for {name!r}')
        unfit = name_problem(name, folders=False)
        if unfit:
            report.problem(UNFIT, where, f'{name!r}: {unfit}')
        if name in lines:
            complain(TWICE, where, f'{name!r}, first in line {lines[name]}')
        lines.setdefault(name, number)
    if not lines:
        report.problem(EMPTY, path)
    return list(lines)


def _decode(path: str | Path, complain: Callable[[str, str | Path], None]) -> str:
    """Text of a list; marks of Windows programs are reported."""
    data = read_bytes(path, 'image list')
    try:
        text = data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path}: not a UTF-8 text file ({error})') from error
    if data.startswith(b'\xef\xbb\xbf'):
        complain(BYTE_ORDER_MARK, path)
    if b'\r' in data:
        complain(LINE_ENDS, path)
    return text
