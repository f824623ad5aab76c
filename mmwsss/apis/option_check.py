"""Finds misspelt options of the rows of a study before anything runs."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from mmwsss.registry import MODELS

from .overrides import check_overrides, nearest


def check_options(config: Config, options: Mapping[str, Any], where: str) -> None:
    """Check that every override names an entry of the config or an option of a component.

    Beside :func:`check_overrides` these are the parts of a model that its class lists with their
    defaults: ``default_pseudo_label`` of ``model.pseudo_label``, for one.

    Args:
        config: Config that the options belong to.
        options: ``{'a.b': value}``.
        where: Beginning of the message: file and row.

    Raises:
        ValueError: An unknown entry; the message names the nearest one.
    """
    try:
        check_overrides(config, options)
    except ValueError as error:
        raise ValueError(f'{where}: {error}') from error
    for key in options:
        known = _listed(config, key)
        name = key.split('.')[2] if known is not None else ''
        if known is not None and name not in known:
            part = '.'.join(key.split('.')[:2])
            raise ValueError(
                f'{where}: the override {key} changes nothing: {part} has no option {name!r}'
                f'{nearest(name, known, part + ".")}'
            )


def _listed(config: Config, key: str) -> set[str] | None:
    """Options of a part of the model, where its class lists them."""
    parts = key.split('.')
    if parts[0] != 'model' or len(parts) < 3 or not isinstance(config.get('model'), Mapping):
        return None
    kind = MODELS.get(str(config.model.get('type')))
    name = 'loss_weights' if parts[1] == 'loss_starts' else parts[1]
    defaults = getattr(kind, f'default_{name}', None)
    return None if defaults is None else set(defaults)
