"""A folder of results belongs to one set of settings."""

from pathlib import Path
from typing import Any

from mmwsss.utils.io import read_json, write_json


def claim_output_folder(folder: str | Path, settings: dict[str, Any]) -> None:
    """Note down what a folder is made with, or refuse to mix two runs in it.

    Args:
        folder (str | Path): Created if needed; its ``settings.json`` is compared with ``settings``.
        settings (dict): Whatever changes the content of the files; JSON types.

    Raises:
        ValueError: The folder holds files made with other settings; names the folder and the
            settings.
    """
    path = Path(folder) / 'settings.json'
    settings = _as_json(settings)
    if not path.is_file():
        write_json(path, settings)
        return
    before = read_json(path)
    changed = sorted(key for key in {*settings, *before} if before.get(key) != settings.get(key))
    if changed:
        raise ValueError(
            f'{folder}: holds files made with other settings ({", ".join(changed)}); choose '
            f'another folder or delete it'
        )


def _as_json(value: Any) -> Any:
    """The value as JSON gives it back: tuples become lists."""
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, (list, tuple)) else value
