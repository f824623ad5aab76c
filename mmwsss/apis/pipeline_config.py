"""Conversion of a pipeline config and its overrides to stages. Placeholders of config values are
resolved here, so that an override of a value takes effect wherever it is used.
"""

import copy
import inspect
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from mmwsss.utils.names import nearest
from mmwsss.utils.recipe_registry import RECIPES

from .config import custom_modules, override, read_config
from .recipes import Recipe
from .stages import Stage, StageData, override_words

PLACEHOLDER = re.compile(r'\{([A-Za-z_][\w-]*)(?:\.(checkpoint|best_checkpoint)|:([^{}]+))?\}')
STAGE_NAME = re.compile(r'[A-Za-z][\w-]*')
CONFIG_TOOLS = ('train.py', 'test.py', 'generate_cams.py', 'refine_cams.py')
RESERVED = ('configs', 'work_dir')


class PipelineConfig(NamedTuple):
    """Content of a pipeline config after its values have been inserted.

    Attributes:
        config: The config with the overrides.
        stages: Entries with ``name``, ``tool`` and ``args``.
        results: Prefix of metrics -> stage that provides them.
        report: Content of the report.
        values: Config values to which placeholders may refer.
    """

    config: Config
    stages: list[Stage]
    results: dict[str, str]
    report: dict[str, Any]
    values: dict[str, str]


def read_pipeline(path: str | Path, options: Mapping[str, Any] | None = None) -> PipelineConfig:
    """Read a pipeline config.

    It holds ``stages``, or ``recipe = dict(type=..., ...)``, a recipe of :mod:`mmwsss.apis.recipes`
    with its options, together with ``dataset``, which has the attributes of
    :class:`mmwsss.apis.stages.StageData`. ``stage_options = dict(<stage>=dict(...))`` overrides the
    config of a stage, ``stage_args = dict(<stage>=[...])`` appends arguments. The modules of
    ``custom_imports`` are imported here and by the tools of all stages.

    Args:
        path: Config file.
        options: ``{'a.b': value}`` overrides.

    Raises:
        FileNotFoundError: The config does not exist.
        ValueError: The config is malformed, or an override has no effect. The message names the
            file, the key, and the nearest key.
    """
    config = read_config(path)
    original = copy.deepcopy(config)
    if options:
        _check_keys(original, options, path)
        override(config, options)
    try:
        pipeline = _build(config, path)
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(
            f'{path}: not a pipeline config ({type(error).__name__}: {error}); examples are in '
            f'configs/pipelines (MMWSSS_DEBUG=1 shows where)'
        ) from error
    for key in options or ():
        _check_effect(original, options or {}, key, pipeline, path)
    return pipeline


def _build(config: Config, path: str | Path) -> PipelineConfig:
    """Stages, results and report of a config."""
    values = _values(config, path)
    if 'recipe' in config:
        if 'stages' in config:
            raise ValueError(f'{path}: has stages and a recipe; keep one of them')
        recipe = _run_recipe(config, values, path)
        stages, results, report = list(recipe.stages), recipe.results, recipe.report
    elif 'stages' in config:
        stages, results, report = [dict(stage) for stage in config.stages], {}, {}
    else:
        raise ValueError(f'{path}: has no stages and no recipe; is it a pipeline config?')
    results = {**results, **config.get('results', {})}
    report = {**report, **config.get('report', {})}
    _check_stages(stages, values, path)
    _change_stages(stages, config, path)
    modules = custom_modules(config.get('custom_imports'))
    for stage in stages:
        if modules and stage['tool'] in CONFIG_TOOLS:
            _append_overrides(stage, dict(custom_imports=modules))
    names = {stage['name'] for stage in stages}
    for stage in stages:
        stage['args'] = [_put_in(str(arg), values, names) for arg in stage['args']]
    return PipelineConfig(config, stages, results, _put_in(report, values, names), values)


def _values(config: Config, path: str | Path) -> dict[str, str]:
    """Strings and numbers of a config after their placeholders have been resolved."""
    plain = {
        key: str(value)
        for key, value in config.items()
        if isinstance(value, (str, int, float)) and not isinstance(value, bool)
    }
    resolved: dict[str, str] = {}

    def resolve(key: str, users: tuple[str, ...]) -> str:
        if key in users:
            raise ValueError(f'{path}: {" -> ".join((*users, key))}: a value that contains itself')
        if key not in resolved:
            resolved[key] = PLACEHOLDER.sub(
                lambda match: (
                    resolve(match[1], (*users, key)) if match[1] in plain else match.group()
                ),
                plain[key],
            )
        return resolved[key]

    return {key: resolve(key, ()) for key in plain}


def _put_in(node: Any, values: Mapping[str, str], stages: Collection[str] = ()) -> Any:
    """Replace placeholders of config values; those of stages, which take precedence, are kept."""
    if isinstance(node, str):
        return PLACEHOLDER.sub(
            lambda match: (
                values[match[1]]
                if match[1] in values and match[1] not in stages and not (match[2] or match[3])
                else match.group()
            ),
            node,
        )
    if isinstance(node, Mapping):
        return {key: _put_in(value, values, stages) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_put_in(value, values, stages) for value in node]
    return node


def _run_recipe(config: Config, values: Mapping[str, str], path: str | Path) -> Recipe:
    """Call the recipe of a config after a check of the names of its options."""
    options = dict(_put_in(config.recipe, values))
    kind = options.pop('type', None)
    # RECIPES.get is avoided, because it imports PyTorch for its log
    function = RECIPES.module_dict.get(kind) if isinstance(kind, str) else None
    if function is None:
        known = sorted(RECIPES.module_dict)
        raise ValueError(f'{path}: recipe.type {kind!r} is not registered; known: {known}')
    dataset = dict(_put_in(config.get('dataset', {}), values))
    _check_names(dataset, [field.name for field in fields(StageData)], f'{path}: dataset')
    if 'root' not in dataset:
        raise ValueError(f'{path}: recipe {kind} needs dataset=dict(root=..., ...)')
    parameters = inspect.signature(function).parameters
    _check_names(options, [name for name in parameters if name != 'data'], f'{path}: recipe {kind}')
    missing = [
        name
        for name, parameter in parameters.items()
        if name != 'data' and parameter.default is parameter.empty and name not in options
    ]
    if missing:
        raise ValueError(f'{path}: recipe {kind} needs {", ".join(missing)}')
    return function(StageData(**dataset), **options)


def _check_names(given: Mapping[str, Any], known: list[str], where: str) -> None:
    for name in given:
        if name not in known:
            raise ValueError(f'{where} has no option {name!r}{nearest(name, known)}')


def _check_stages(stages: list[Stage], values: Mapping[str, str], path: str | Path) -> None:
    """Check the stages before the first one runs for hours."""
    before = set(RESERVED)
    for stage in stages:
        if not {'name', 'tool', 'args'} <= set(stage):
            raise ValueError(f'{path}: a stage needs name, tool and args, found {stage}')
        name = stage['name']
        if not isinstance(name, str) or not STAGE_NAME.fullmatch(name):
            raise ValueError(
                f'{path}: {name!r} cannot be the name of a stage, which is a folder: use letters, '
                f'digits, _ and -, a letter first'
            )
        if name in RESERVED:
            raise ValueError(f'{path}: {name} cannot be the name of a stage')
        if name in before:
            raise ValueError(f'{path}: two stages have the name {name}')
        before.add(name)
        for arg in stage['args']:
            for match in PLACEHOLDER.finditer(str(arg)):
                if match[1] in before or (match[1] in values and not (match[2] or match[3])):
                    continue
                raise ValueError(
                    f'{path}: stage {name}: {match.group()} names neither this stage nor one '
                    f'before it'
                )


def _change_stages(stages: list[Stage], config: Config, path: str | Path) -> None:
    """Apply ``stage_options`` and ``stage_args``."""
    by_name = {stage['name']: stage for stage in stages}
    for place in ('stage_options', 'stage_args'):
        _check_names(config.get(place, {}), list(by_name), f'{path}: {place}: the pipeline')
    for name, options in config.get('stage_options', {}).items():
        stage = by_name[name]
        if stage['tool'] not in CONFIG_TOOLS:
            raise ValueError(
                f'{path}: stage_options.{name}: {stage["tool"]} reads no config; use '
                f'stage_args.{name}'
            )
        _append_overrides(stage, options)
    for name, words in config.get('stage_args', {}).items():
        args = list(by_name[name]['args'])
        at = args.index('--cfg-options') if '--cfg-options' in args else len(args)
        words = [words] if isinstance(words, str) else words
        by_name[name]['args'] = [*args[:at], *map(str, words), *args[at:]]


def _append_overrides(stage: Stage, options: Mapping[str, Any]) -> None:
    """Append to ``--cfg-options``, which are the last of the arguments."""
    args = list(stage['args'])
    if '--cfg-options' not in args:
        args.append('--cfg-options')
    stage['args'] = [*args, *override_words(options)]


def _check_keys(config: Config, options: Mapping[str, Any], path: str | Path) -> None:
    """Reject overrides of top-level keys that a pipeline config does not have."""
    known = [*config, 'work_dir', 'title', 'results', 'report', 'stage_options', 'stage_args']
    if 'recipe' in config:
        known.append('dataset')
    for key in options:
        if key.partition('.')[0] not in known:
            raise ValueError(
                f'{path}: the override {key} changes nothing: the config does not contain this key'
                f'{nearest(key.partition(".")[0], known)}'
            )


def _check_effect(
    original: Config,
    options: Mapping[str, Any],
    key: str,
    pipeline: PipelineConfig,
    path: str | Path,
) -> None:
    """Reject an override without which the pipeline would be the same."""
    without = copy.deepcopy(original)
    others = {name: value for name, value in options.items() if name != key}
    if others:
        override(without, others)
    if _summary(_build(without, path)) != _summary(pipeline):
        return
    changed = copy.deepcopy(without)
    override(changed, {key: options[key]})
    if changed.to_dict() == without.to_dict():  # the current value
        return
    used = sorted(name for name in pipeline.values if name != key)
    raise ValueError(
        f'{path}: the override {key} changes nothing: no stage uses {{{key}}}, or the config '
        f'copied its value when it was read (write {{{key}}} in a plain string, not an f-string)'
        f'{nearest(key, used)}'
    )


def _summary(pipeline: PipelineConfig) -> str:
    """Everything that determines the run of a pipeline."""
    plain = {key: pipeline.config.get(key) for key in ('title', 'work_dir')}
    entries = (pipeline.stages, pipeline.results, pipeline.report, plain)
    return json.dumps(entries, sort_keys=True, default=str)
