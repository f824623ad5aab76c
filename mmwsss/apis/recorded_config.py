"""The config that is recorded in a checkpoint of mmwsss, read as data and never executed."""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import CheckpointLoader

import mmwsss.registry
from mmwsss.checkpoints.formats import FORMATS, recognise
from mmwsss.checkpoints.wrapped import meta_of
from mmwsss.utils.config_text import parse_config_text

from .overrides import find_component

# entries of a config that inference reads
NEEDED = ('model', 'test_dataloader', 'default_scope', 'classes', 'cam_threshold')
WEIGHTS = ('.pth', '.pt', '.ckpt', '.safetensors')
SCOPES = ('mmwsss', 'mmseg', 'mmpretrain', 'mmengine', 'mmcv')
COMPONENT = re.compile(rf'(?:(?:{"|".join(SCOPES)})\.)?\w+')


def is_checkpoint(path: Any) -> bool:
    """Whether the name of a file or URL is one of weights and not of a config."""
    return isinstance(path, str | Path) and Path(path).suffix in WEIGHTS


def recorded_config(checkpoint: str | Path) -> Config:
    """The part of the training config of a checkpoint that inference needs.

    The text is parsed and never executed. It may only name registered components: a name that
    MMEngine would import from elsewhere, such as ``os.system``, is rejected.

    Args:
        checkpoint (str | Path): File or URL.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not a checkpoint, has no config, or has a config that needs code of
            another file. The message names the file and the remedy.
    """
    content = _load(checkpoint)
    text = meta_of(content).get('cfg') if isinstance(content, Mapping) else None
    values = parse_config_text(text) if isinstance(text, str) else None
    if not values or not {'model', 'test_dataloader'} <= {*values}:
        raise ValueError(
            f'{checkpoint}: records no config of mmwsss; name it, e.g. '
            f'init_model({_example(content)!r}, {str(checkpoint)!r})'
        )
    if values.get('custom_imports'):
        raise ValueError(
            f'{checkpoint}: its config imports custom modules '
            f'({values["custom_imports"]}), which are not run for a checkpoint alone; name the '
            f'config file'
        )
    values = {key: values[key] for key in NEEDED if key in values}
    _check_components(values, checkpoint)
    return Config(values, cfg_text=text, filename=str(checkpoint))


def _load(checkpoint: str | Path) -> Any:
    try:
        return CheckpointLoader.load_checkpoint(str(checkpoint), map_location='cpu')
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{checkpoint}: checkpoint not found') from error
    except (ValueError, RuntimeError, EOFError, KeyError, AttributeError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        message = line if str(checkpoint) in line else f'{checkpoint}: {line}'
        raise ValueError(message) from error


def _example(content: Any) -> str:
    """Name of a config to which the weights may belong."""
    name = recognise(content) if isinstance(content, dict) else None
    return f'mmwsss::{FORMATS[name].config if name else "mctformer_plus_voc.py"}'


def _check_components(values: Mapping[str, Any], checkpoint: str | Path) -> None:
    """Reject types that are not registered components."""
    found = {
        kind: find_component(kind, scope) if COMPONENT.fullmatch(kind) else None
        for kind, scope in _types(values, None)
    }
    components = chain.from_iterable(registry.values() for registry in _registries())
    registered = set(map(id, components))
    for kind, component in found.items():
        if component is None or id(component) not in registered:
            raise ValueError(
                f'{checkpoint}: its config names {kind!r}, which is not a component of mmwsss or '
                f'OpenMMLab; name the config file if you trust it'
            )


def _types(node: Any, scope: str | None) -> Iterator[tuple[str, str | None]]:
    """Types in a config and the scope of each."""
    if isinstance(node, Mapping):
        scope = node.get('_scope_', scope)
        if 'type' in node:
            yield str(node['type']), scope
        for value in node.values():
            yield from _types(value, scope)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _types(value, scope)


def _registries() -> Iterator[dict[str, Any]]:
    """Tables of the registries of mmwsss, their parents and their siblings."""
    own = [entry for entry in vars(mmwsss.registry).values() if isinstance(entry, Registry)]
    pending = list({id(registry.root): registry.root for registry in own}.values())
    while pending:
        registry = pending.pop()
        yield registry.module_dict
        pending += registry.children.values()
