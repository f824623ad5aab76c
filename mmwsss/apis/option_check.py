"""Finds misspelt options of a config before anything runs."""

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from mmengine.config import Config

from mmwsss.registry import (
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPERS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
)

# entries that MMEngine's runner reads and that a config need not mention
RUNNER_KEYS = ('randomness', 'load_from', 'resume', 'experiment_name', 'work_dir', 'auto_scale_lr')
RUNNER_ENTRIES = dict(randomness=('seed', 'deterministic', 'diff_rank_seed'))
# dictionaries without a type whose entries MMEngine takes by name
UNTYPED = (
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'optim_wrapper',
    'train_cfg',
    'default_hooks',
)
REGISTRIES = (
    MODELS,
    DATASETS,
    TRANSFORMS,
    METRICS,
    HOOKS,
    LOOPS,
    OPTIM_WRAPPERS,
    PARAM_SCHEDULERS,
)


def check_options(config: Config, options: Mapping[str, Any], where: str) -> None:
    """Check that every override names an entry of the config or an option of a component.

    An override such as ``model.loss_weight.affinity=0`` would otherwise add an entry that nobody
    reads, or fail hours later when the component is built. An entry is known if the config has it,
    if the constructor of the ``type`` beside it takes it, or if the class above it lists it
    (``default_pseudo_label`` of ``model.pseudo_label``, for one).

    Args:
        config: Config that the options belong to.
        options: ``{'a.b': value}``.
        where: Beginning of the message: file and row.

    Raises:
        ValueError: An unknown entry; the message names the most similar one.
    """
    for key in options:
        parts, node, owner = key.split('.'), config._cfg_dict, None
        for index, part in enumerate(parts):
            if isinstance(node, (list, tuple)):
                if not part.isdigit() or int(part) >= len(node):
                    raise ValueError(
                        f'{where}: option {key!r}: {".".join(parts[:index])!r} is a list of '
                        f'{len(node)} entries, numbered from 0'
                    )
                owner, node = None, node[int(part)]
                continue
            known = _known_entries(node, owner, parts[:index])
            if known is None:  # anything goes, or a level that the config leaves to the component
                break
            if part not in known:
                raise ValueError(f'{where}: {_unknown(key, parts[:index], part, known)}')
            if not isinstance(node, Mapping) or part not in node:
                break
            owner, node = (node, part), node[part]


def nearest_name(name: object, known: Iterable[object]) -> str:
    """The names that exist, the most similar one first in a question.

    Args:
        name: What was asked for.
        known: What there is.

    Returns:
        ``did you mean 'x'?``, or the list of all names where none is similar.
    """
    names = [str(item) for item in known]
    near = difflib.get_close_matches(str(name), names, 1)
    return f'did you mean {near[0]!r}?' if near else f'there are {", ".join(sorted(names))}'


def _unknown(key: str, parents: list[str], part: str, known: set[str]) -> str:
    place = f'{".".join(parents)} has' if parents else 'the config has'
    return f'unknown option {key!r}: {place} no {part!r}; {nearest_name(part, known)}'


def _known_entries(
    node: Any, owner: tuple[Mapping[str, Any], str] | None, path: list[str]
) -> set[str] | None:
    """Entries that a level of the config may have; None if that cannot be told."""
    known = set(node) if isinstance(node, Mapping) else set()
    if not path:
        return known | set(RUNNER_KEYS)
    if len(path) == 1 and path[0] in UNTYPED:
        return None
    if len(path) == 1 and path[0] in RUNNER_ENTRIES:
        return known | set(RUNNER_ENTRIES[path[0]])
    if isinstance(node, Mapping) and 'type' in node:
        accepted = _parameters(_component(node['type']))
        return None if accepted is None else known | accepted
    if owner is not None and 'type' in owner[0]:
        listed = getattr(_component(owner[0]['type']), f'default_{owner[1]}', None)
        if owner[1] == 'loss_starts':
            listed = getattr(_component(owner[0]['type']), 'default_loss_weights', None)
        if listed is not None:
            return known | set(listed)
        return None  # options of a part that the component builds itself
    return known or None


def _component(kind: Any) -> type | None:
    """Class of a ``type``, wherever it is registered."""
    if not isinstance(kind, str):
        return kind
    return next((found for registry in REGISTRIES if (found := registry.get(kind))), None)


def _parameters(kind: type | None) -> set[str] | None:
    """Arguments of a constructor and of those that its ``**kwargs`` go to; None: not known."""
    if kind is None or not inspect.isclass(kind):
        return None
    names: set[str] = {'type', '_scope_'}
    for level in kind.__mro__:
        if '__init__' not in vars(level):
            continue
        parameters = inspect.signature(vars(level)['__init__']).parameters.values()
        names |= {item.name for item in parameters}
        if all(item.kind is not inspect.Parameter.VAR_KEYWORD for item in parameters):
            return names
    return None
