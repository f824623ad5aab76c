"""Look-up of the file of an image id: one listing per folder instead of one look-up per image."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmwsss.utils.io import read_id_list
from mmwsss.utils.names import name_problem

IMAGE_SUFFIXES = (
    '.jpg',
    '.jpeg',
    '.png',
    '.bmp',
    '.tif',
    '.tiff',
    '.webp',
    '.gif',
    '.heic',
    '.heif',
)
MOST_NAMED = 20  # largest number of files in an error message
# files that macOS, Windows and network disks create among photos, in addition to names with a
# leading dot
LITTER = frozenset(
    (
        '__macosx',
        '@eadir',
        '@recycle',
        '@recently-snapshot',
        '#recycle',
        '#snapshot',
        '~snapshot',
        '$recycle.bin',
        'lost+found',
        'system volume information',
        'thumbs.db',
        'desktop.ini',
    )
)


def is_hidden(name: str) -> bool:
    """Whether the name of a file or folder is not data of the user but was created by a program:
    ``._dog.jpg``, ``.ipynb_checkpoints``, ``__MACOSX``, ``@eaDir`` and the like.
    """
    return name.startswith('.') or name.casefold() in LITTER


def walk_files(folder: str | Path, suffixes: Sequence[str]) -> Iterator[str]:
    """Paths below ``folder``, relative to it and sorted, of all files with one of ``suffixes``
    (lower case; compared without regard to case); folders are separated by ``/``. Hidden files and
    folders (:func:`is_hidden`) are left out.
    """
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(name)]
        below = Path(place).relative_to(folder)
        found += [
            (below / name).as_posix()
            for name in names
            if not is_hidden(name) and os.path.splitext(name)[1].lower() in suffixes
        ]
    yield from sorted(found)


def image_id(name: str, suffixes: tuple[str, ...] = ()) -> str:
    """Id of an image whose name is written with or without its extension: ``'trip/a.JPG'`` and
    ``'trip/a'`` are ``'trip/a'``.
    """
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in (*IMAGE_SUFFIXES, *suffixes) else name


def find_files(
    folder: str | Path, names: Sequence[str], suffixes: Sequence[str], *, what: str, hint: str = ''
) -> list[str]:
    """Path of the file of each name; the case of the suffix does not matter.

    Args:
        folder (str | Path): Folder of the files.
        names (Sequence[str]): Ids, or file names with their extension; they may contain subfolders.
        suffixes (Sequence[str]): Tried in this order.
        what (str): Kind of the files, for messages, e.g. ``'image'``.
        hint (str): Source of the files, appended to the message.

    Returns:
        list[str]: One path per name.

    Raises:
        FileNotFoundError: The folder or some files are missing. The message names up to 20 of them.
        ValueError: A name could lead out of the folder (:func:`mmwsss.utils.names.check_name`). The
            message names up to 20 of them.
    """
    folder, hint = Path(folder), hint and f'. {hint}'
    _check_names(folder, names, what)
    if not folder.is_dir():
        raise FileNotFoundError(
            f'{folder}: {what} folder not found, expected files like {names[0]}{suffixes[0]} in '
            f'it{hint}'
        )
    listings: dict[str, dict[str, str]] = {}
    paths: list[str] = []
    missing: list[str] = []
    for name in names:
        parent, base = os.path.split(name)
        if parent not in listings:
            listings[parent] = _listing(folder / parent)
        listing = listings[parent]
        for candidate in (base, *(base + suffix for suffix in suffixes)):
            if _fold(candidate) in listing and os.path.splitext(candidate)[1]:
                paths.append(str(folder / parent / listing[_fold(candidate)]))
                break
        else:
            missing.append(name)
    if missing:
        shown = ', '.join(missing[:MOST_NAMED]) + (', ...' if len(missing) > MOST_NAMED else '')
        raise FileNotFoundError(
            f'{folder}: {len(missing)} of {len(names)} {what} files not found '
            f'(suffix {" or ".join(suffixes)}): {shown}{hint}'
        )
    return paths


def list_image_ids(
    folder: Path, suffixes: tuple[str, ...], *, what: str, hint: str = ''
) -> list[str]:
    """Ids of all files of ``folder`` and its subfolders with one of ``suffixes``, sorted; folders
    are separated by ``/``. Hidden files and folders are left out.

    Raises:
        FileNotFoundError: The folder does not exist, or none of its files matches.
    """
    folder, hint = Path(folder), hint and f'. {hint}'
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: {what} folder not found{hint}')
    ids = sorted(os.path.splitext(file)[0] for file in walk_files(folder, suffixes))
    if not ids:
        raise FileNotFoundError(
            f'{folder}: no {what} with suffix {" or ".join(suffixes)} in this folder{hint}'
        )
    return ids


def listed_images(
    folder: str | Path, ann_file: str, suffixes: tuple[str, ...]
) -> tuple[list[str], list[str]]:
    """Ids and files of the images that a list names; without a list, of every image of ``folder``.

    Raises:
        FileNotFoundError: See :func:`find_files` and :func:`list_image_ids`.
        ValueError: A name of the list is invalid, see :func:`find_files`.
    """
    if ann_file:
        names = read_id_list(ann_file)
    else:
        names = list_image_ids(Path(folder), suffixes, what='image')
    ids = [image_id(name, suffixes) for name in names]
    return ids, find_files(folder, names, suffixes, what='image')


def generated_folder(data_root: str, folder: str) -> str:
    """Folder written by a stage, relative to ``data_root`` if it is found there, otherwise to the
    working directory.
    """
    below = Path(data_root, folder)
    return str(below if below.is_dir() else Path(folder).absolute())


def as_suffixes(suffixes: str | Sequence[str]) -> tuple[str, ...]:
    """One suffix or several, as a tuple."""
    return (suffixes,) if isinstance(suffixes, str) else tuple(suffixes)


def _check_names(folder: Path, names: Sequence[str], what: str) -> None:
    """Reject names that could lead out of the folder."""
    problems = ((name, name_problem(name)) for name in names)
    unfit = [f'{str(name)[:100]!r} ({problem})' for name, problem in problems if problem]
    if unfit:
        raise ValueError(
            f'{folder}: {len(unfit)} of {len(names)} {what} names cannot be names of files in it: '
            f'{", ".join(unfit[:MOST_NAMED])}; rename them'
        )


def _listing(folder: Path) -> dict[str, str]:
    """Names in a folder by the same names with a lower-case suffix; empty if the folder does not
    exist.
    """
    return {_fold(name): name for name in sorted(os.listdir(folder))} if folder.is_dir() else {}


def _fold(name: str) -> str:
    """Name with a lower-case suffix."""
    stem, suffix = os.path.splitext(name)
    return stem + suffix.lower()
