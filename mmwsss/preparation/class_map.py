"""Renamed and merged tags, and hierarchies of classes, from a YAML file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmwsss.utils.yaml_files import read_yaml


def read_class_map(path: str | Path, level: int | None = None) -> dict[str, str]:
    """Old name -> new name.

    The file nests names: ``vehicle: [car, bus]`` maps cars and buses to vehicles, and ``animal:
    {dog: [Dog, puppy], cat: }`` gives dogs and cats or, at level 1, maps both to animals.

    Args:
        path: YAML file.
        level: Depth of the names to use, 1 for the outermost; None: the innermost names that are
            keys.

    Returns:
        New names of all names in the file that change.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file has another form, or a name occurs in two places. The message names
            both.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ValueError(f'{path}: expected names with lists of names, as `dog: [Dog, puppy]`')
    result: dict[str, str] = {}
    for name, keys in _names(content, (), path):
        target = keys[min(len(keys), level or len(keys)) - 1]
        if result.setdefault(name, target) != target:
            raise ValueError(f'{path}: {name!r} belongs to {result[name]!r} and to {target!r}')
    return {name: target for name, target in result.items() if name != target}


def renamed_tags(
    pairs: Sequence[str], path: str | Path | None = None, level: int | None = None
) -> dict[str, str]:
    """Old name -> new name, from ``A=B`` pairs and a file; the pairs also apply to the new names of
    the file.

    Args:
        pairs: Pairs of the command line.
        path, level: See :func:`read_class_map`; None: no file.
    """
    given = dict(pair.partition('=')[::2] for pair in pairs)
    mapped = {} if path is None else read_class_map(path, level)
    return {**given, **{name: given.get(target, target) for name, target in mapped.items()}}


def _names(node: Any, keys: tuple[str, ...], path: str | Path) -> Iterator[tuple[str, tuple]]:
    """Every name with the keys that lead to it, itself included where it is a key."""
    if isinstance(node, dict):
        for name, below in node.items():
            own = (*keys, str(name))
            yield str(name), own
            yield from _names(below, own, path)
    elif isinstance(node, list):
        for name in node:
            if isinstance(name, (dict, list)):
                raise ValueError(f'{path}: {keys[-1]!r}: a list holds names only')
            yield str(name), keys
    elif node is not None:
        yield str(node), keys
