"""Validation of names that become paths: image ids, stages of a pipeline, classes.

One rule applies to all of them, so that no list, table or config can lead a tool out of its folder.
"""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

MOST_NAMES = 12
_CONTROL = re.compile(r'[\x00-\x1f\x7f\x85\u2028\u2029]')
_DRIVE = re.compile(r'^[A-Za-z]:[\\/]')


def name_problem(name: str, *, folders: bool = True) -> str:
    r"""Reason why a name is invalid as part of a path.

    Args:
        name: Image id (``trip/a`` is in a subfolder), stage or class.
        folders: Whether ``/`` may separate folders.

    Returns:
        The reason, empty for a valid name. Invalid are: empty text; control characters, including
            NUL and line ends; text that no file system can store (lone surrogates); absolute paths
        (``/a``, ``C:\a``, ``\\host\a``); ``..`` as a part; ``\`` and, without ``folders``, ``/``.
    """
    if not isinstance(name, str):
        return f'not text but {type(name).__name__}'
    if not name.strip() or name.strip('/') in ('', '.'):
        return 'empty'
    if _CONTROL.search(name):
        return 'holds a control character (line end, NUL or the like)'
    try:
        name.encode('utf-8')
    except UnicodeEncodeError:
        return 'not valid Unicode'
    if name.startswith(('/', '\\')) or _DRIVE.match(name):
        return 'an absolute path'
    if '..' in re.split(r'[\\/]', name):
        return "holds '..'"
    if '\\' in name:
        return "holds '\\'"
    if '/' in name and not folders:
        return "holds '/'"
    return ''


def check_name(name: str, what: str, *, origin: str | Path = '', folders: bool = True) -> str:
    """Return ``name`` if it may become part of a path, see :func:`name_problem`.

    Args:
        name: Image id, stage or class.
        what: Kind of the name, for the message, e.g. ``'image id'``.
        origin: File (and line) of the name; starts the message.
        folders: Whether ``/`` may separate folders.

    Raises:
        ValueError: The name is invalid. The message contains origin and name.
    """
    problem = name_problem(name, folders=folders)
    if problem:
        start = f'{origin}: ' if str(origin) else ''
        shown = repr(name) if len(repr(name)) <= 120 else f'{repr(name)[:117]}...'
        raise ValueError(
            f'{start}{what} {shown} cannot be used as a name of a file: {problem}; rename it'
        )
    return name


def output_path(folder: str | Path, name: str, suffix: str = '', *, what: str = 'image id') -> Path:
    """Output file of ``name`` below ``folder``.

    Args:
        folder: Output folder; it may itself be a link.
        name: Name, which may include subfolders.
        suffix: Suffix of the file.
        what: Kind of the name, for messages.

    Raises:
        ValueError: The name is invalid (:func:`check_name`), or a subfolder is a link to a place
            outside ``folder``. The message names both.
    """
    folder = Path(folder)
    path = folder / (check_name(name, what) + suffix)
    if '/' in name:  # a folder in between could be a link
        if not path.parent.resolve().is_relative_to(folder.resolve()):
            raise ValueError(
                f'{path}: {path.parent.resolve()} lies outside {folder} (a symbolic link); remove '
                f'the link or choose another output folder'
            )
    return path


def nearest(name: str, known: Iterable[str], prefix: str = '') -> str:
    """End of an error message for a misspelt name: the nearest name, or all names if they are few.

    Args:
        name: The given name.
        known: The known names.
        prefix: Prefix of the nearest name.
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, 1, 0.5)
    if close:
        return f'; the nearest is {prefix + close[0]!r}'
    return f'; there are {", ".join(names)}' if 0 < len(names) <= MOST_NAMES else ''
