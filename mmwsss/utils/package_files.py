"""Folders of configs and tools: in a checkout, or inside the installed package."""

import difflib
from pathlib import Path

PREFIX = 'mmwsss::'
_PACKAGE = Path(__file__).parents[1]


def package_root() -> Path:
    """Folder with ``configs`` and ``tools``: ``.mim`` of an installed wheel, otherwise the
    checkout.
    """
    installed = _PACKAGE / '.mim'
    return installed if (installed / 'configs').is_dir() else _PACKAGE.parent


def find_config(name: str) -> Path:
    """File of a config that is given with its package: ``mmwsss::mctformer_plus_voc.py``.

    Configs are stored flat or in a few folders (``pipelines/``, ``ablations/``, ``_base_/``).
    MMEngine requires a folder in such names, so that the folder of the method is also accepted
    (``mmwsss::mctformer_plus/mctformer_plus_voc.py``), and the suffix may be omitted.

    Raises:
        FileNotFoundError: The config does not exist. The message names the closest ones.
    """
    folder = package_root() / 'configs'
    wanted = name.removeprefix(PREFIX)
    wanted = wanted if wanted.endswith('.py') else f'{wanted}.py'
    for candidate in (folder / wanted, folder / Path(wanted).name):
        if candidate.is_file() and folder in candidate.resolve().parents:
            return candidate
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob('*.py'))]
    close = difflib.get_close_matches(wanted, names, n=3)
    hint = f'; did you mean {PREFIX}{f" or {PREFIX}".join(close)}?' if close else ''
    raise FileNotFoundError(f'{name}: mmwsss does not contain this config{hint}')
