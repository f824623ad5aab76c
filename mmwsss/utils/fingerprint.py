"""Comparison of the content of files or folders, independent of their names and locations."""

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from mmwsss.utils.io import LEFTOVER_SUFFIX

SAMPLE_BYTES = 1 << 12
CHUNK_BYTES = 1 << 20
PNG_START = b'\x89PNG'
# rewritten in each run, or records of it; not part of the content of a folder
NOTES = {'settings.json', 'inputs.json', 'stage.json', 'environment.json', 'stage.log'}


def fingerprint_file(path: str | Path) -> str:
    """Digest of the content of a file.

    Archives (checkpoints, CAM files) are identified by the checksums of their members, so that only
    their directory is read, and neither the time of saving nor the name of the file matters. PNG
    files above 12 KiB are identified by size, beginning, middle and end, which contains the
    checksum of their pixels. All other files are read completely.

    Args:
        path (str | Path): File.

    Returns:
        str: 16 hexadecimal digits.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not regular.
    """
    path = Path(path)
    if not path.is_file():
        if path.exists():
            raise ValueError(f'{path}: is not a regular file')
        raise FileNotFoundError(f'{path}: file not found')
    size = path.stat().st_size
    with open(path, 'rb') as file:
        start = file.read(SAMPLE_BYTES)
        if start[:4] == b'PK\x03\x04':
            members = _archive_members(path)
            if members is not None:
                return _digest(members)
        parts = [str(size).encode(), start]
        if size > 3 * SAMPLE_BYTES and start.startswith(PNG_START):
            for position in (size // 2, size - SAMPLE_BYTES):
                file.seek(position)
                parts.append(file.read(SAMPLE_BYTES))
            return _digest(parts)
        return _digest(chain(parts, iter(lambda: file.read(CHUNK_BYTES), b'')))


def fingerprint_checkpoint(path: str | Path) -> str:
    """:func:`fingerprint_file` of a checkpoint; the address itself if it is not a local file.

    Raises:
        FileNotFoundError: The file does not exist.
    """
    if '://' in str(path):
        return str(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: checkpoint not found')
    return fingerprint_file(path)


def fingerprint(path: str | Path) -> str:
    """Digest of a file (:func:`fingerprint_file`), or of all files below a folder.

    The digest of a folder includes the relative names; hidden and unfinished files, logs and
    records of runs are ignored.

    Raises:
        FileNotFoundError: The file or folder does not exist.
    """
    path = Path(path)
    if not path.is_dir():
        return fingerprint_file(path)
    parts = []
    for name in list_content(path):
        parts += [name.encode(), fingerprint_file(path / name).encode()]
    return _digest(parts)


def list_content(folder: Path) -> list[str]:
    """Result files below a folder, relative to it and sorted."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_note(name)]
        found += [
            Path(place, name).relative_to(folder).as_posix()
            for name in names
            if not _is_note(name) and Path(place, name).is_file()
        ]
    return sorted(found)


def digest_settings(value: Any) -> str:
    """Digest of a part of a config, without its initial weights (``init_cfg``)."""
    return _digest([json.dumps(_plain(value), sort_keys=True, default=repr).encode()])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if key != 'init_cfg'}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, 'tolist') else value


def _is_note(name: str) -> bool:
    return (
        name.startswith('.')
        or name in NOTES
        or name == 'log'
        or name.endswith(('.log', LEFTOVER_SUFFIX))
        # folder with the logs of a run, named after its start
        or (len(name) == 15 and name[8] == '_' and name.replace('_', '').isdigit())
    )


def _archive_members(path: Path) -> list[bytes] | None:
    """Name, size and checksum of the members of an archive; None if it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return None
    entries = []
    for info in infos:
        name = info.filename.partition('/')[2] or info.filename  # PyTorch: '<file name>/data/0'
        entries.append((name, info.file_size, info.CRC))
    tensors = [entry for entry in entries if entry[0].startswith('data/')]
    # the rest of a checkpoint is its directory and the time of saving
    return [repr(entry).encode() for entry in sorted(tensors or entries)]


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, 'little'))
        digest.update(part)
    return digest.hexdigest()[:16]
