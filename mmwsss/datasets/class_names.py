"""Class names of a data set, given in a config or in a ``classes.txt``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmwsss.utils.class_lists import CLASS_LISTS
from mmwsss.utils.io import voc_palette
from mmwsss.utils.limits import read_text
from mmwsss.utils.names import check_name


def load_class_names(
    classes: Sequence[str] | str | Path, data_root: str | Path = ''
) -> tuple[str, ...]:
    """Class names, background first.

    Args:
        classes (Sequence[str] | str | Path): Names, the name of a benchmark
            (:data:`mmwsss.utils.class_lists.CLASS_LISTS`), or a text file with one name per line
            (relative to ``data_root`` if it is found there).
        data_root (str | Path): Root of the data set.

    Returns:
        tuple[str]: K names, ``'background'`` first.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: Background is not first, a name appears twice or is invalid
            (:func:`mmwsss.utils.names.check_name`), or no other name follows.
    """
    if isinstance(classes, str) and classes in CLASS_LISTS:
        return CLASS_LISTS[classes]
    origin: str | Path = 'classes'
    if isinstance(classes, str | Path):
        file = Path(data_root or '') / classes
        origin = file if file.exists() else Path(classes)
        if not origin.exists():
            raise FileNotFoundError(
                f'{Path(data_root or "") / classes}: class file not found (one class name per '
                f'line, background first)'
            )
        classes = [
            line.strip() for line in read_text(origin, 'class file').splitlines() if line.strip()
        ]
    classes = tuple(classes)
    if classes[:1] != ('background',):
        raise ValueError(
            f"{origin}: the first class must be 'background', found "
            f'{", ".join(map(repr, classes[:1])) or "nothing"}'
        )
    for name in classes:
        check_name(name, 'class', origin=origin)
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice:
        raise ValueError(f'{origin}: class names appear twice: {twice}')
    if len(classes) == 1:
        raise ValueError(f"{origin}: only 'background' is listed")
    return classes


def class_metainfo(
    metainfo: dict[str, Any], classes: Sequence[str] | str | Path, data_root: str | Path = ''
) -> dict[str, Any]:
    """Meta information with the class names, and the colours of VOC unless others are given.

    Args:
        metainfo: Meta information without ``classes``.
        classes, data_root: See :func:`load_class_names`.
    """
    names = load_class_names(classes, data_root)
    palette = voc_palette()[: len(names)].tolist()
    return {'palette': palette, **metainfo, 'classes': names}
