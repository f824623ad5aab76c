"""Class names of a data set, given in a config or in a ``classes.txt``."""

from pathlib import Path


def load_class_names(classes, data_root=''):
    """Class names, background first.

    Args:
        classes (Sequence[str] | str | Path): Names, or a text file with one name a line (relative
            to ``data_root`` if it is found there).
        data_root (str | Path): Root of the data set.

    Returns:
        tuple[str]: K names, ``'background'`` first.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Background is not first, a name appears twice, or there is no other name.
    """
    origin = 'classes'
    if isinstance(classes, str | Path):
        origin = Path(data_root or '') / classes
        origin = origin if origin.is_file() else Path(classes)
        if not origin.is_file():
            raise FileNotFoundError(
                f'{Path(data_root or "") / classes}: class file not found (one class name a line, '
                f'background first)'
            )
        classes = [
            line.strip()
            for line in origin.read_text(encoding='utf-8-sig').splitlines()
            if line.strip()
        ]
    classes = tuple(classes)
    if classes[:1] != ('background',):
        raise ValueError(
            f"{origin}: the first class must be 'background', found "
            f'{", ".join(map(repr, classes[:1])) or "nothing"}'
        )
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice:
        raise ValueError(f'{origin}: class names appear twice: {twice}')
    if len(classes) == 1:
        raise ValueError(f"{origin}: there is no class beside 'background'")
    return classes
