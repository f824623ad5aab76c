"""``data_root`` and ``num_classes`` of a config that inherits from another one.

A config copies these values into its data sets and its model when it is read. A config that
inherits from it and overrides them would change only the variables, and silently train on the old
data.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmwsss.utils.config_text import parse_config_text
from mmwsss.utils.package_files import PREFIX, find_config

HEADS = ('decode_head', 'auxiliary_head')


def settle_inherited(config: Config, path: str | Path) -> None:
    """Apply ``data_root`` to every data set and ``num_classes`` to the model.

    A data set with a different root keeps it, and so does a model whose number of classes is
    written in the same file or in one nearer to the config. Heads of segmentation networks also
    count background.

    Args:
        config: Config as read by MMEngine; changed in place.
        path: File of the config.
    """
    chain = list(_chain(Path(path)))
    roots = [values.get('data_root') for values in chain]
    root = config.get('data_root')
    if isinstance(root, str) and root in roots:
        stale = {value for value in roots[roots.index(root) + 1 :] if isinstance(value, str)}
        move_data_roots(config._cfg_dict, stale - {root}, root)
    _settle_classes(config, chain)


def move_data_roots(node: Any, before: set[str], after: str) -> int:
    """Change the ``data_root`` of every data set whose root is one of some values.

    Args:
        node: Config, or a part of it; changed in place.
        before: Values to change.
        after: New value.

    Returns:
        int: Number of data sets that were changed.
    """
    if isinstance(node, dict):
        own = 'type' in node and node.get('data_root') in before
        if own:
            node['data_root'] = after
        return own + sum(move_data_roots(value, before, after) for value in node.values())
    if isinstance(node, (list, tuple)):
        return sum(move_data_roots(value, before, after) for value in node)
    return 0


def _settle_classes(config: Config, chain: list[dict[str, Any]]) -> None:
    count = config.get('num_classes')
    model: Any = config.get('model') or {}
    if not isinstance(count, int):
        return
    named = next((place for place, values in enumerate(chain) if 'num_classes' in values), None)
    if named is None:
        return
    entries = [values.get('model') for values in chain[: named + 1]]
    nearer = [entry for entry in entries if isinstance(entry, Mapping)]
    if 'num_classes' in model and not any('num_classes' in entry for entry in nearer):
        model['num_classes'] = count
    for name in HEADS:
        head = model.get(name)
        explicit = any('num_classes' in (entry.get(name) or {}) for entry in nearer)
        if isinstance(head, Mapping) and 'num_classes' in head and not explicit:
            head['num_classes'] = count + 1  # type: ignore[index]


def _chain(path: Path) -> Iterator[dict[str, Any]]:
    """Assignments of a config's file and of those that it inherits, the nearest first."""
    pending, seen = [path], set()
    while pending:
        file = pending.pop(0)
        if file in seen or not file.is_file() or file.suffix != '.py':
            continue
        seen.add(file)
        values = parse_config_text(file.read_text(encoding='utf-8')) or {}
        yield values
        bases = values.get('_base_') or ()
        pending += [_base(file, base) for base in ([bases] if isinstance(bases, str) else bases)]


def _base(file: Path, base: str) -> Path:
    if base.startswith(PREFIX):
        return find_config(base)
    return Path(base) if '::' in base else (file.parent / base).resolve()
