"""Loading of released checkpoints into models of mmwsss, by any loader that calls
``load_state_dict``.
"""

import logging
from collections.abc import Mapping
from itertools import product
from typing import Any, TypeVar

from mmengine.logging import print_log
from torch import nn

from mmwsss.checkpoints.formats import (
    FORMATS,
    default_format,
    recognise,
    released_classes,
    translate_checkpoint,
)
from mmwsss.checkpoints.vit import is_bare_vit, unwrap_state_dict
from mmwsss.checkpoints.wrapped import (
    flatten_state,
    refuse_foreign_weights,
    say_unwrapped,
    strip_wrappers,
    unwrap_state,
)

MOST_NAMES = 20
Model = TypeVar('Model', bound=nn.Module)


def accept_released_weights(model: Model) -> Model:
    """Let a model load the checkpoints that its authors released, and explain why others are
    rejected; further calls have no effect.

    A released checkpoint is recognised by its names and translated; ignored keys are logged. The
    weights of a single ViT are loaded into the backbone. All other checkpoints pass unchanged.

    Args:
        model (nn.Module): An algorithm of mmwsss, or a segmentation network of MMSegmentation.

    Returns:
        The model. Loading raises a ValueError for a checkpoint of another network or number of
            classes, and warns about one of the same network whose maps are computed differently
        (:func:`warn_of_origin`).
    """
    if not getattr(model, 'accepts_released_weights', False):
        model.accepts_released_weights = True  # type: ignore[assignment]
        model.register_load_state_dict_pre_hook(_translate)
        backbone = getattr(model, 'backbone', None)
        if isinstance(backbone, nn.Module):
            refuse_foreign_weights(backbone)
    return model


def readable_formats(model: nn.Module) -> list[str]:
    """Formats that a model reads, by the names of its class and of its parents.

    Returns:
        list[str]: Keys of :data:`FORMATS`.
    """
    kinds = {kind.__name__ for kind in type(model).__mro__}
    heads = [getattr(model, name) for name in ('decode_head', 'patch_head') if hasattr(model, name)]
    names = {str(head) for head in heads if head is None}
    for head in heads:
        names.update(kind.__name__ for kind in type(head).__mro__)
    kinds |= {f'{kind}/{head}' for kind, head in product(kinds, names)}
    return [name for name, entry in FORMATS.items() if kinds & set(entry.models)]


def warn_of_origin(model: nn.Module, name: str) -> None:
    """Log that weights of another method match a model, since MCTformer V1, V2, + and AReAM have
    the same parameter names.

    Such weights are a valid initialisation, so they are not rejected; the maps of the model then
    belong to neither paper.

    Args:
        model (nn.Module): The model that loads the weights.
        name (str): Format of the weights, a key of :data:`FORMATS`.
    """
    own = native_format(model)
    if own in (None, name):
        return
    entry = FORMATS[name]
    print_log(
        f'this is a checkpoint of {entry.title}, which belongs to configs/{entry.config} or a '
        f'sibling with the same number of classes; the model is {type(model).__name__} (format '
        f'{own}): its maps are computed differently. The checkpoint is fine for initialisation, '
        f'not for evaluation',
        logger='current',
        level=logging.WARNING,
    )


def native_format(model: nn.Module) -> str | None:
    """Format in which weights of a model, or of the nearest parent of its class, were released;
    None if there is none.
    """
    state = dict(model.named_parameters())
    return next(
        filter(None, (default_format(kind.__name__, state) for kind in type(model).__mro__)), None
    )


def _translate(
    model: nn.Module, state_dict: dict[str, Any], prefix: str, *unused_arguments: Any
) -> None:
    own = _unwrap(
        model,
        {
            name.removeprefix(prefix): value
            for name, value in state_dict.items()
            if name.startswith(prefix)
        },
    )
    name = recognise(own)
    if name is not None:
        own = _translate_format(model, own, name)
    elif is_bare_vit(own) and hasattr(model, 'backbone'):
        own = {f'backbone.{key}': value for key, value in own.items()}
    for key in [key for key in state_dict if key.startswith(prefix)]:
        del state_dict[key]
    state_dict.update({prefix + key: value for key, value in own.items()})


def _unwrap(model: nn.Module, content: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of a model, or of its backbone only, from the content of a checkpoint."""
    for state in (unwrap_state_dict(dict(content)), *_entries(content)):
        bare, wrappers = strip_wrappers(flatten_state(state))
        if recognise(bare) is not None or is_bare_vit(bare):
            say_unwrapped(model, ''.join(wrappers))
            return bare
    expected = model.state_dict()
    own, wrapper = unwrap_state(content, expected)
    hits = sum(name in expected for name in own)
    inside = {f'backbone.{name}': value for name, value in own.items()}
    if hasattr(model, 'backbone') and sum(name in expected for name in inside) > hits:
        return inside  # only a backbone
    say_unwrapped(model, '' if wrapper in ('state_dict.', 'model.', 'module.') else wrapper)
    return own


def _entries(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [value for value in content.values() if isinstance(value, Mapping)]


def _translate_format(model: nn.Module, state: dict[str, Any], name: str) -> dict[str, Any]:
    entry, readable = FORMATS[name], readable_formats(model)
    if name not in readable:
        titles = ', '.join(FORMATS[other].title for other in readable)
        raise ValueError(
            f'the checkpoint is a released one of {entry.title}; {type(model).__name__} here reads '
            f'{"those of " + titles if titles else "none"}: choose the config that belongs to it '
            f'({entry.config})'
        )
    translated, left_out = translate_checkpoint(state, name)
    found, expected = released_classes(translated, name), getattr(model, 'num_classes', None)
    if found is not None and expected is not None and found != expected:
        raise ValueError(
            f'the checkpoint was trained on {found} classes, the config has {expected}: choose '
            f'the config of its data set'
        )
    warn_of_origin(model, name)
    if left_out:
        more = f' and {len(left_out) - MOST_NAMES} more' if len(left_out) > MOST_NAMES else ''
        print_log(
            f'released weights of {entry.title}: {type(model).__name__} ignored the keys '
            f'{", ".join(sorted(left_out)[:MOST_NAMES])}{more}',
            logger='current',
        )
    return translated
