"""Conversion of checkpoint files between the released formats of the papers and mmwsss."""

import ast
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmwsss.checkpoints.formats import (
    FORMATS,
    converted_from,
    default_format,
    recognise,
    released_classes,
)
from mmwsss.checkpoints.vit import unwrap_state_dict
from mmwsss.checkpoints.wrapped import meta_of
from mmwsss.utils.compat import load_weights_only
from mmwsss.utils.io import atomic_open

Content = dict[str, Any]  # content of a checkpoint file
Weights = dict[str, Tensor]
Converted = tuple[str, Weights, list[str], Weights]  # format, new, left out, by our names


class Conversion(NamedTuple):
    """Result of :func:`convert_checkpoint`.

    Attributes:
        format (str): Key of :data:`mmwsss.checkpoints.formats.FORMATS`.
        state (dict): The weights that were written.
        left_out (list[str]): Names of the input without a counterpart in the output.
        num_classes (int | None): Number of classes as counted by the data set of the format; None
            for networks without classes.
    """

    format: str
    state: dict[str, Tensor]
    left_out: list[str]
    num_classes: int | None


def convert_checkpoint(
    source: str | Path, target: str | Path, *, to: str = 'mmwsss', name: str | None = None
) -> Conversion:
    """Write a clean checkpoint: tensors and plain containers only.

    Args:
        source (str | Path): Checkpoint of mmwsss or a released one; no code in it is executed.
        target (str | Path): File to write, atomically.
        to (str): ``'mmwsss'`` converts a released checkpoint to mmwsss; ``'released'`` converts a
            checkpoint of mmwsss to one that the authors' code reads.
        name (str, optional): Format. By default it is recognised by the names of the weights, for a
            checkpoint of mmwsss by its ``converted_from`` or its config.

    Returns:
        Conversion

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The format differs from the requested one or is unknown. The message names the
            file and the formats.
    """
    if to not in ('mmwsss', 'released'):
        raise ValueError(f"to must be 'mmwsss' or 'released', got {to!r}")
    if name is not None and name not in FORMATS:
        raise ValueError(f'format {name!r} is unknown; formats: {", ".join(FORMATS)}')
    if Path(source).resolve() == Path(target).resolve():
        raise ValueError(f'{target}: the converted checkpoint would overwrite the one that is read')
    content = load_weights_only(source, map_location='cpu')
    if not isinstance(content, dict):
        raise ValueError(f'{source}: holds a {type(content).__name__}, not a dictionary of weights')
    state = unwrap_state_dict(content)
    weights = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
    others = [key for key in state if key not in weights]
    convert = _to_ours if to == 'mmwsss' else _to_released
    name, converted, left_out, ours = convert(source, content, weights, name)
    converted = {
        key: value.detach().clone(memory_format=torch.contiguous_format)
        for key, value in converted.items()
    }
    if to == 'mmwsss':
        before = meta_of(content)
        meta = {key: before[key] for key in ('dataset_meta',) if key in before}
        output: Content = dict(state_dict=converted, meta=dict(meta, converted_from=name))
    else:
        wrapper = FORMATS[name].wrapper
        output = {wrapper: converted} if wrapper else dict(converted)
    with atomic_open(target) as file:
        torch.save(output, file)
    return Conversion(name, converted, sorted(left_out + others), released_classes(ours, name))


def _to_ours(source: str | Path, content: Content, weights: Weights, name: str | None) -> Converted:
    found = recognise(weights)
    if found is None and name is None:
        raise ValueError(
            f'{source}: not a released checkpoint that is known ({_first_names(weights)}); '
            f'formats: {", ".join(FORMATS)}'
        )
    if found is not None and name is not None and found != name:
        raise ValueError(f'{source}: is one of {found} ({FORMATS[found].title}), not of {name}')
    if found is None:
        raise ValueError(f'{source}: lacks the parameter names of {name} ({_first_names(weights)})')
    ours, left_out = FORMATS[found].translate(weights)
    return found, ours, left_out, ours


def _to_released(
    source: str | Path, content: Content, weights: Weights, name: str | None
) -> Converted:
    found = recognise(weights)
    if found is not None:
        raise ValueError(f'{source}: is a released checkpoint already ({FORMATS[found].title})')
    kind = _model_type(meta_of(content).get('cfg'))
    own = converted_from(content) or (None if kind is None else default_format(kind, weights))
    if name is None:
        name = own
        if name is None:
            reason = 'no config inside defines the model'
            if kind is not None:
                reason = f'{kind} was never released in a format of its own'
            raise ValueError(f'{source}: {reason}; choose one with --format: {", ".join(FORMATS)}')
    # which is trained with the network of V2 or +
    elif own not in (None, name) and (kind or '').rpartition('.')[2] != 'AReAM':
        raise ValueError(
            f'{source}: is one of {own} ({FORMATS[own].title}), not of {name}; leave --format out'
        )
    try:
        released, left_out = FORMATS[name].release(weights)
    except KeyError as error:
        raise ValueError(
            f'{source}: has no entry {error.args[0]}, which {name} needs ({_first_names(weights)})'
        ) from error
    except ValueError as error:
        raise ValueError(f'{source}: {error}') from error
    if recognise(released) != name:
        raise ValueError(
            f'{source}: these weights do not form a checkpoint of {name} ({_first_names(weights)})'
        )
    return name, released, left_out, weights


def _first_names(state: Weights) -> str:
    names = list(state)[:3]
    return f'{len(state)} weights, first {", ".join(names)}' if names else 'no weights'


def _model_type(text: Any) -> str | None:
    """Class name of ``model = dict(type=...)`` in the text of a config, which is parsed and not
    executed; None if there is none.
    """
    if not isinstance(text, str):
        return None
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # NUL bytes, deep nesting
        return None
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and [ast.unparse(target) for target in node.targets] == ['model']
            and isinstance(node.value, (ast.Call, ast.Dict))
        ):
            pairs: list[tuple[Any, ast.expr]]
            if isinstance(node.value, ast.Call):
                pairs = [(keyword.arg, keyword.value) for keyword in node.value.keywords]
            else:
                names = [getattr(key, 'value', None) for key in node.value.keys]
                pairs = list(zip(names, node.value.values))
            for name, value in pairs:
                if name == 'type' and isinstance(value, ast.Constant):
                    return str(value.value)
            return None
    return None
