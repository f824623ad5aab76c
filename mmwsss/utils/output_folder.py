"""Association of a folder of results with one set of settings and the content of its inputs."""

import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmwsss.utils.io import read_json, remove_leftovers, write_json

MOST_NAMED = 3
PNG_START, PNG_END = b'\x89PNG\r\n\x1a\n', b'IEND\xaeB`\x82'


def claim_output_folder(
    folder: str | Path,
    settings: Mapping[str, Any],
    *,
    inputs: Mapping[str, str] | None = None,
    output: Callable[[str], Path] | None = None,
) -> None:
    """Record the settings of a folder, or reject mixing two runs in it.

    Only for the process that holds the folder (:class:`mmwsss.utils.locks.FolderLock`); unfinished
    files of a killed process are removed.

    Args:
        folder (str | Path): Folder, created if needed; its ``settings.json`` is compared with
            ``settings``.
        settings (Mapping): Everything that changes the content of the files, in JSON types. Files
            are identified by their content (:func:`mmwsss.utils.fingerprint.fingerprint`), not by
            their path.
        inputs (Mapping[str, str], optional): Digest of the inputs of each image id; stored in
            ``inputs.json``, so that a file is never reused for another photo or another map.
        output (Callable, optional): Function from an id to the path of its file; needed with
            ``inputs``.

    Raises:
        ValueError: The folder contains files with other settings, other inputs or unknown origin.
            The message names the folder and the differences.
    """
    folder = Path(folder)
    path = folder / 'settings.json'
    settings = _as_json(dict(settings))
    before = read_json(path) if path.is_file() else None
    if before is not None and not isinstance(before, dict):
        raise ValueError(f'{path}: holds no settings; delete the folder {folder} and run again')
    if before is not None:
        changed = sorted(k for k in {*settings, *before} if before.get(k) != settings.get(k))
        if changed:
            raise ValueError(
                f'{folder}: holds files made with other settings ({", ".join(changed)}); choose '
                f'another folder or delete it'
            )
    if inputs is not None and output is not None:
        _claim_inputs(folder, dict(inputs), output)
    remove_leftovers(folder)
    if before is None:
        write_json(path, settings)


def release_output_folder(folder: str | Path) -> None:
    """Undo :func:`claim_output_folder` if no result was written.

    Args:
        folder (str | Path): Folder claimed by this process.
    """
    for name in ('settings.json', 'inputs.json'):
        (Path(folder) / name).unlink(missing_ok=True)


def _claim_inputs(folder: Path, inputs: dict[str, str], output: Callable[[str], Path]) -> None:
    path = folder / 'inputs.json'
    before = read_json(path) if path.is_file() else {}
    if not isinstance(before, dict):
        raise ValueError(f'{path}: holds no inputs; delete the folder {folder} and run again')
    there = [name for name in inputs if output(name).is_file()]
    for problem, names in (
        ('files of unknown origin', [name for name in there if name not in before]),
        (
            'files made from other inputs (photo, tags or map have changed since)',
            [name for name in there if before.get(name, inputs[name]) != inputs[name]],
        ),
    ):
        if names:
            shown = ', '.join(names[:MOST_NAMED]) + (', ...' if len(names) > MOST_NAMED else '')
            raise ValueError(
                f'{folder}: holds {len(names)} {problem}: {shown}; choose another folder or '
                f'delete it'
            )
    if any(before.get(name) != digest for name, digest in inputs.items()):
        write_json(path, {**before, **inputs})


def is_finished(path: str | Path) -> bool:
    """Whether a result exists and is complete, i.e. not a truncated CAM file or mask.

    Archives must end with their directory and PNG files with their last chunk; the content is
    checked when it is read.

    Args:
        path (str | Path): ``.npz``, ``.png`` or any other file, which only needs to exist.
    """
    path = Path(path)
    try:
        if path.suffix == '.npz':
            with zipfile.ZipFile(path) as archive:
                return all(_member_is_there(archive, info) for info in archive.infolist())
        if path.suffix == '.png':
            with open(path, 'rb') as file:
                start = file.read(len(PNG_START))
                file.seek(max(os.fstat(file.fileno()).st_size - len(PNG_END), 0))
                return start == PNG_START and file.read() == PNG_END
    except (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, struct.error):
        return False
    return path.is_file()


def _member_is_there(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    with archive.open(info):  # compares the directory entry with the header of the data
        return True


def _as_json(value: Any) -> Any:
    """The value after a JSON round trip: tuples become lists."""
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, (list, tuple)) else value
