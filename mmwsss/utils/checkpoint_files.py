"""Checkpoint files of a training run: completeness, and the one from which a run resumes."""

import re
import zipfile
import zlib
from pathlib import Path

from mmwsss.utils.limits import check_regular_file

POINTER = 'last_checkpoint'
NUMBERED = re.compile(r'(?:epoch|iter)_(\d+)\.pth')


def check_checkpoint(path: str | Path) -> None:
    """Reject a file that cannot be a checkpoint before anything is built for it.

    Args:
        path: Checkpoint; addresses (``https://...``) pass.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The path is a folder, pipe or device, an empty file, or a damaged archive. The
            message names the file and the remedy.
    """
    if '://' in str(path):
        return
    check_regular_file(path, 'checkpoint')
    damage = archive_damage(path)
    if damage is not None:
        raise ValueError(
            f'{path}: not a checkpoint, or a damaged one ({damage}); fetch it again, or go on from '
            f'another one'
        )


def archive_damage(path: str | Path) -> str | None:
    """Compare the checksums in a PyTorch archive with its content.

    Args:
        path (str | Path): Checkpoint.

    Returns:
        str | None: The damaged part; None if there is none, or if the file is in the older format,
            which has no checksums.

    Raises:
        OSError: The file is missing or cannot be read.
    """
    with open(path, 'rb') as file:
        start = file.read(4)
        if start != b'PK\x03\x04':
            return None if start else 'the file is empty'
    try:
        with zipfile.ZipFile(path) as archive:
            wrong = archive.testzip()
    except (
        zipfile.BadZipFile,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        zlib.error,
    ) as error:
        return f'the archive is cut short or damaged ({error})'
    return None if wrong is None else f'the checksum of its part {wrong} is wrong'


def is_whole(path: str | Path) -> bool:
    """Whether a checkpoint written by a run of mmwsss exists and is undamaged."""
    try:
        return zipfile.is_zipfile(path) and archive_damage(path) is None
    except OSError:
        return False


def pointed_checkpoint(folder: str | Path) -> Path | None:
    """The file that ``last_checkpoint`` of a work directory names, complete or not.

    A file of that name inside the folder takes precedence over the recorded path, so that a moved
    or copied folder is independent of the original.
    """
    pointer = Path(folder) / POINTER
    try:
        text = pointer.read_text(encoding='utf-8').strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not text or '\n' in text or '\0' in text:
        return None
    inside = Path(folder) / Path(text).name
    return inside if inside.is_file() or not Path(text).is_file() else Path(text)


def newest_checkpoint(folder: str | Path) -> tuple[str | None, list[str]]:
    """The checkpoint from which a stopped training resumes.

    This is the one that ``last_checkpoint`` names, unless it is damaged or missing, or a later one
    was finished before the pointer was updated.

    Args:
        folder (str | Path): Work directory.

    Returns:
        tuple[str | None, list[str]]: The file, None if there is no complete one, and messages about
            the others.
    """
    pointed = pointed_checkpoint(folder)
    others = [path for path in Path(folder).glob('*.pth') if NUMBERED.fullmatch(path.name)]
    candidates = sorted(others, key=_age, reverse=True)
    if pointed is not None:
        newer = [path for path in candidates if _is_later(path, pointed)]
        rest = [path for path in candidates if path != pointed and path not in newer]
        candidates = [*newer, pointed, *rest]
    damaged: list[Path] = []
    for path in candidates:
        if is_whole(path):
            notes = [f'{name}: damaged, cut short or missing; left out' for name in damaged]
            if damaged:
                notes.append(f'{path}: the newest whole checkpoint; training goes on from it')
            return str(path), notes
        damaged.append(path)
    return None, [f'{name}: damaged, cut short or missing; left out' for name in damaged]


def _age(path: Path) -> tuple[int, int]:
    return (path.stat().st_mtime_ns if path.is_file() else 0, _number(path))


def _is_later(path: Path, other: Path) -> bool:
    return _number(path) > _number(other) and _age(path) >= _age(other)


def _number(path: Path) -> int:
    found = NUMBERED.fullmatch(path.name)
    return int(found[1]) if found else 0
