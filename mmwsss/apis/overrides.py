"""Detection of overrides without effect, before anything runs.

MMEngine merges any key into a config. A misspelt key, or one whose value the config copied
elsewhere when it was read, then has no effect, silently.
"""

import inspect
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import Any

import torch.utils.data
from mmengine import registry as root
from mmengine.config import Config
from mmengine.runner import Runner

import mmwsss.registry
from mmwsss.utils.names import nearest

# keys that the tools of mmwsss read
OWN_KEYS = (
    'data_root',
    'total_batch_size',
    'tta_model',
    'tta_pipeline',
    'tta_options',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'custom_imports',
    'speed',
)
LOADER_KEYS = (
    *inspect.signature(torch.utils.data.DataLoader.__init__).parameters,
    'num_batch_per_epoch',
)
# keys of dictionaries without a type, by the path of the dictionary
UNTYPED = {
    'train_dataloader': LOADER_KEYS,
    'val_dataloader': LOADER_KEYS,
    'test_dataloader': LOADER_KEYS,
    'env_cfg': ('cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'),
    'env_cfg.mp_cfg': ('mp_start_method', 'opencv_num_threads'),
    'randomness': ('seed', 'diff_rank_seed', 'deterministic'),
    'auto_scale_lr': ('base_batch_size', 'enable'),
    'optim_wrapper': ('type', 'optimizer', 'accumulative_counts', 'clip_grad'),
    'default_hooks': (
        'runtime_info',
        'timer',
        'sampler_seed',
        'logger',
        'param_scheduler',
        'checkpoint',
    ),
    'speed': ('tf32', 'channels_last', 'compile', 'cuda_graphs'),
    'train_cfg': ('by_epoch', 'max_epochs', 'max_iters', 'val_begin', 'val_interval'),
}
# keys that builders remove before they call the constructor
BUILDER_KEYS = {
    'optim_wrapper': ('constructor', 'paramwise_cfg', 'optimizer'),
    'param_scheduler': ('convert_to_iter_based', 'epoch_length'),
    'hook': ('priority',),
}
MOST_PLACES = 4


def check_overrides(
    config: Config, options: Mapping[str, Any], *, extra_keys: Collection[str] = ()
) -> None:
    """Reject overrides without effect.

    An existing entry may be changed, and so may an entry that is an option of the constructor of
    its component; ``model.backbone.init_cfg.type=Pretrained`` thus works where there was no
    ``init_cfg``.

    Args:
        config: Config before the overrides.
        options: ``{'a.b': value}``.
        extra_keys: Top-level keys that the caller reads.

    Raises:
        ValueError: An override has no effect. The message names the config, the key, and the
            nearest key or the entries to override.
    """
    for key in options:
        parts = key.split('.')
        _check_top(config, parts[0], key, extra_keys)
        node: Any = config._cfg_dict
        scope = None
        for index, part in enumerate(parts):
            if isinstance(node, Mapping):
                scope = node.get('_scope_', scope)  # scope of a dictionary and of those inside it
                if part not in node and index:
                    _check_part(config, node, scope, parts[:index], part, key)
                node = node.get(part, {})  # the entries of a new dictionary are checked too
            elif isinstance(node, (list, tuple)) and part.isdigit() and int(part) < len(node):
                node = node[int(part)]
            else:
                break  # merging reports the error


def consumed_keys(config: Config) -> set[str]:
    """Top-level keys of a config that a runner or a tool reads when it runs."""
    keys = {*inspect.signature(Runner.__init__).parameters, *OWN_KEYS} - {'self', 'cfg'}
    if 'data_preprocessor' in (config.get('model') or {}):
        keys.discard('data_preprocessor')  # copied into the model
    return keys


def _check_top(config: Config, name: str, key: str, extra_keys: Collection[str]) -> None:
    keys = consumed_keys(config) | set(extra_keys)
    if name in keys:
        return
    file = config.filename or 'config'
    places = _places(config, name, keys)
    advice = f'; override {" or ".join(places)}' if places else nearest(name, keys)
    if name not in config:
        raise ValueError(
            f'{file}: the override {key} changes nothing: no tool reads such a key{advice}'
        )
    raise ValueError(
        f'{file}: the override {key} changes nothing: the config copied {name} when it was read'
        f'{advice}'
    )


def _places(config: Config, name: str, keys: Collection[str]) -> list[str]:
    """Entries that hold the value of a variable of the config, those of the same name first."""
    value = config.get(name)
    sections = [key for key in config if key in keys]
    entries = list(chain.from_iterable(_entries(config._cfg_dict[key], key) for key in sections))
    named = [place for place, _ in entries if place.rpartition('.')[2] == name]
    distinctive = not isinstance(value, bool) and value not in (None, 0, 1, '')
    equal = [place for place, entry in entries if distinctive and entry == value]
    return list(dict.fromkeys([*named, *equal]))[:MOST_PLACES]


def _entries(node: Any, place: str) -> Iterator[tuple[str, Any]]:
    yield place, node
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _entries(value, f'{place}.{key}')
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _entries(value, f'{place}.{index}')


def _check_part(
    config: Config,
    node: Mapping[str, Any],
    scope: str | None,
    parents: list[str],
    part: str,
    key: str,
) -> None:
    """Reject a new entry that the component of its dictionary does not accept."""
    known = _known_names(config, node, scope, parents)
    if known is None or part in known:
        return
    place = '.'.join(parents)
    kind = f' ({node["type"]})' if isinstance(node.get('type'), str) else ''
    raise ValueError(
        f'{config.filename or "config"}: the override {key} changes nothing: {place}{kind} has no '
        f'option {part!r}{nearest(part, known, place + ".")}'
    )


def _known_names(
    config: Config, node: Mapping[str, Any], scope: str | None, parents: list[str]
) -> set[str] | None:
    """Names that a dictionary may contain; None: any."""
    place = '.'.join(parents)
    always = {*node, 'type', '_scope_', '_delete_'}
    kind = node.get('type')
    if kind is None:
        names = UNTYPED.get(place) or _listed_names(config, parents)
        return None if names is None else {*names, *always}
    component = find_component(kind, scope)
    options = None if component is None else constructor_options(component)
    if options is None:
        return None
    extra = BUILDER_KEYS.get(parents[0], ())
    if parents[0].endswith('hooks'):
        extra = BUILDER_KEYS['hook']
    return {*options, *always, *extra}


def _listed_names(config: Config, parents: list[str]) -> Collection[str] | None:
    """Names in a part of the model whose class lists them with their defaults:
    ``default_pseudo_label`` of ``model.pseudo_label``, for one.
    """
    if parents[0] != 'model' or len(parents) != 2:
        return None
    name = 'loss_weights' if parents[1] == 'loss_starts' else parents[1]
    method = find_component(config.model.get('type'), config.model.get('_scope_'))
    names: Collection[str] | None = getattr(method, f'default_{name}', None)
    return names


def find_component(kind: Any, scope: str | None) -> Any:
    """Class or function that a ``type`` names; None if no registry contains it.

    Args:
        kind: Name, or the component itself.
        scope: Scope of names without one.
    """
    if not isinstance(kind, str):
        return kind
    names = [kind] if '.' in kind or scope is None else [f'{scope}.{kind}', kind]
    for registry in _registries():
        for name in names:
            component = registry.get(name)
            if component is not None:
                return component
    return None


def _registries() -> list[root.Registry]:
    return [
        entry
        for entry in vars(mmwsss.registry).values()
        if isinstance(entry, root.Registry) and entry.parent is not None
    ]


def constructor_options(component: Any) -> set[str] | None:
    """Names that a constructor accepts, including those that it passes on by ``**options``; None:
    any.

    Args:
        component: Class or function.
    """
    if not inspect.isclass(component):
        own, passes_on = _parameters(component)
        return None if passes_on else own
    names: set[str] = set()
    for parent in component.__mro__:
        if '__init__' not in vars(parent):
            continue
        if parent is object:
            return None
        own, passes_on = _parameters(vars(parent)['__init__'])
        names |= own
        if not passes_on:
            return names
    return names


def _parameters(function: Any) -> tuple[set[str], bool]:
    """Names of parameters, and whether others are accepted too."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built-in
        return set(), True
    names = {entry.name for entry in parameters if entry.kind != entry.VAR_KEYWORD}
    return names - {'self', 'args'}, any(entry.kind == entry.VAR_KEYWORD for entry in parameters)
