"""Which file belongs to an image id: one listing per folder instead of one look-up per image."""

import os
from pathlib import Path

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
MOST_NAMED = 20  # files that an error message names


def image_id(name, suffixes=()):
    """Id of an image that is written with or without its extension: ``'trip/a.JPG'`` and
    ``'trip/a'`` are ``'trip/a'``.
    """
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in (*IMAGE_SUFFIXES, *suffixes) else name


def find_files(folder, names, suffixes, *, what, hint=''):
    """Path of the file of each name; the case of the suffix does not matter.

    Args:
        folder (str | Path): Where to look; names may contain subfolders.
        names (Sequence[str]): Ids, or file names with their extension.
        suffixes (Sequence[str]): Tried in this order.
        what (str): Kind of the files, for messages, e.g. ``'image'``.
        hint (str): How to get the files, ends a message.

    Returns:
        list[str]: One path per name.

    Raises:
        FileNotFoundError: The folder or some files are missing; names up to 20 of them.
    """
    folder, hint = Path(folder), hint and f'. {hint}'
    if not folder.is_dir():
        raise FileNotFoundError(
            f'{folder}: {what} folder not found, expected files like {names[0]}{suffixes[0]} in '
            f'it{hint}'
        )
    listings, paths, missing = {}, [], []
    for name in names:
        parent, base = os.path.split(name)
        if parent not in listings:
            place = folder / parent
            listings[parent] = (
                {_fold(entry): entry for entry in sorted(os.listdir(place))}
                if place.is_dir()
                else {}
            )
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


def list_image_ids(folder, suffixes, *, what, hint=''):
    """Ids of all files of ``folder`` and its subfolders with one of ``suffixes``, sorted; ``/``
    stands between folders.

    Raises:
        FileNotFoundError: No such folder, or none of its files fits.
    """
    folder, hint = Path(folder), hint and f'. {hint}'
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: {what} folder not found{hint}')
    ids = sorted(
        Path(place, stem).relative_to(folder).as_posix()
        for place, _, names in os.walk(folder)
        for stem, suffix in map(os.path.splitext, names)
        if suffix.lower() in suffixes
    )
    if not ids:
        raise FileNotFoundError(
            f'{folder}: no {what} with suffix {" or ".join(suffixes)} in this folder{hint}'
        )
    return ids


def _fold(name):
    """Name with a lower-case suffix."""
    stem, suffix = os.path.splitext(name)
    return stem + suffix.lower()
