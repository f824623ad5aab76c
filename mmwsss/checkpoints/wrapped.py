"""Unwrapping of weights with a common prefix or in an entry of a larger checkpoint."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import torch
from mmengine.logging import print_log
from torch import nn

# entries with the preferred weights, if several match equally well
PREFERRED = ('', 'state_dict.', 'model.', 'model_ema.', 'teacher.', 'student.')
WRAPPERS = ('module.', '_orig_mod.')  # prefixes of DistributedDataParallel and torch.compile
MOST_LEVELS = 4
ENOUGH = 0.5  # fraction of a backbone's weights that a checkpoint of the same network contains


def flatten_state(state: Mapping[str, Any], prefix: str = '', level: int = 0) -> dict[str, Any]:
    """Tensors of nested dictionaries under dotted names; everything else is left out."""
    flat: dict[str, Any] = {}
    for key, value in state.items():
        if isinstance(value, torch.Tensor):
            flat[f'{prefix}{key}'] = value
        elif isinstance(value, Mapping) and level < MOST_LEVELS:
            flat.update(flatten_state(value, f'{prefix}{key}.', level + 1))
    return flat


def state_of(content: Any) -> dict[str, Any]:
    """Weights by name in the content of a checkpoint file, without the prefix of processes.

    Raises:
        ValueError: The file does not contain weights.
    """
    state = content.get('state_dict', content) if isinstance(content, Mapping) else content
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        raise ValueError(f'holds a {type(state).__name__}, not a dictionary of weights by name')
    return {key.removeprefix('module.'): value for key, value in state.items()}


def meta_of(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Meta information that MMEngine stores in a checkpoint; empty if there is none."""
    meta = content.get('meta')
    return meta if isinstance(meta, Mapping) else {}


def check_finite_weights(model: nn.Module, origin: object) -> None:
    """Reject weights that are NaN or infinite, because all results would be silently wrong.

    Args:
        model: Model with the loaded weights.
        origin: File of the weights, for the message.

    Raises:
        ValueError: A weight is not finite. The message names the file and the first such weight.
    """
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise ValueError(
                f'{origin}: the weights {name} are not all finite numbers, the training that saved '
                f'them had diverged; choose an earlier checkpoint'
            )


def strip_wrappers(state: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Remove the prefixes of wrappers that all names have.

    Returns:
        tuple[dict, list[str]]: New state dict, and the prefixes, the outermost first.
    """
    state, found = dict(state), []
    while wrapper := next((w for w in WRAPPERS if state and all(map(_starts(w), state))), ''):
        state = {key.removeprefix(wrapper): value for key, value in state.items()}
        found.append(wrapper)
    return state, found


def _starts(prefix: str) -> Callable[[str], bool]:
    return lambda name: name.startswith(prefix)


def find_prefix(names: Collection[str], expected: Collection[str]) -> tuple[str, int]:
    """The prefix in front of the names of a network inside a checkpoint.

    Args:
        names (Collection[str]): Names of the checkpoint.
        expected (Collection[str]): Names of the network.

    Returns:
        tuple[str, int]: Prefix, or ``''`` if no prefix matches better, and the number of names that
            match.
    """
    expected, counts = set(expected), Counter({'': 0})
    for name in names:
        for prefix in _prefixes(name):
            if name[len(prefix) :] in expected:
                counts[prefix] += 1
    rank = {prefix: -index for index, prefix in enumerate(PREFERRED)}
    best = max(counts, key=lambda p: (counts[p], rank.get(p, -len(rank)), -len(p)))
    return best, counts[best]


def _prefixes(name: str) -> Iterator[str]:
    yield ''
    for index, char in enumerate(name):
        if char == '.':
            yield name[: index + 1]


def unwrap_state(state: Mapping[str, Any], expected: Collection[str]) -> tuple[dict[str, Any], str]:
    """The weights of a network from a state dict that may contain more.

    Args:
        state (Mapping): Weights, possibly of more than the network, below entries or prefixes.
        expected (Collection[str]): Names of the network, in all naming schemes that it reads.

    Returns:
        tuple[dict, str]: Weights without the prefix, and the prefix; unchanged if no prefix
            matches.
    """
    flat = flatten_state(state)
    prefix, _ = find_prefix(flat, expected)
    if not prefix:
        return flat, ''
    return {k.removeprefix(prefix): v for k, v in flat.items() if k.startswith(prefix)}, prefix


def refuse_foreign_weights(backbone: nn.Module) -> nn.Module:
    """Let a backbone unwrap the weights that it loads, and reject those of another network; further
    calls have no effect.

    This applies to every loader that calls ``_load_from_state_dict``: ``init_cfg``, ``load_from``
    and ``load_state_dict``. Otherwise MMEngine leaves weights that do not match at random values.

    Args:
        backbone (nn.Module): Any backbone; those with key maps do this themselves.

    Returns:
        The backbone. Loading raises a ValueError if less than half of the weights are in the
        checkpoint, by name and shape.
    """
    if not getattr(backbone, 'refuses_foreign_weights', False):
        backbone.refuses_foreign_weights = True  # type: ignore[assignment]
        backbone.register_load_state_dict_pre_hook(_unwrap_or_refuse)
    return backbone


def unwrap_in_place(
    backbone: nn.Module, state_dict: dict[str, Any], prefix: str, *unused_arguments: Any
) -> None:
    """Load-state-dict pre-hook that only unwraps, for a backbone whose key map is applied
    afterwards.
    """
    own = {k.removeprefix(prefix): v for k, v in state_dict.items() if k.startswith(prefix)}
    own, wrapper = unwrap_state(own, backbone.state_dict())
    say_unwrapped(backbone, wrapper)
    _replace(state_dict, prefix, own)


def _replace(state_dict: dict[str, Any], prefix: str, own: Mapping[str, Any]) -> None:
    for key in [key for key in state_dict if key.startswith(prefix)]:
        del state_dict[key]
    state_dict.update({prefix + key: value for key, value in own.items()})


def _unwrap_or_refuse(
    backbone: nn.Module, state_dict: dict[str, Any], prefix: str, *unused_arguments: Any
) -> None:
    wanted = {
        name: value.shape
        for name, value in backbone.state_dict().items()
        if isinstance(value, torch.Tensor) and not name.endswith('num_batches_tracked')
    }
    own = {k.removeprefix(prefix): v for k, v in state_dict.items() if k.startswith(prefix)}
    if not own and prefix not in ('', 'backbone.'):
        return  # a copy, such as that of a teacher, which the algorithm fills
    own, wrapper = unwrap_state(own, backbone.state_dict())
    say_unwrapped(backbone, wrapper)
    hits = sum(name in own and own[name].shape == shape for name, shape in wanted.items())
    if hits < ENOUGH * len(wanted):
        raise ValueError(_foreign_message(backbone, hits, len(wanted), own))
    _replace(state_dict, prefix, own)


def _foreign_message(backbone: nn.Module, hits: int, wanted: int, state: Mapping[str, Any]) -> str:
    init_cfg = getattr(backbone, 'init_cfg', None)
    file = init_cfg.get('checkpoint') if isinstance(init_cfg, Mapping) else None
    first = ', '.join(list(state)[:3]) or 'nothing for it'
    return (
        f'{file or "the checkpoint"}: belongs to another network than {type(backbone).__name__}, '
        f'{hits} of whose {wanted} weights are in it by name and shape (it holds {first}); choose '
        f'the checkpoint that belongs to the config'
    )


def say_unwrapped(module: nn.Module, prefix: str) -> None:
    """Log that weights were found behind a prefix."""
    if prefix:
        print_log(
            f'the weights of {type(module).__name__} were found behind {prefix!r}, which is '
            f'removed',
            logger='current',
            level=logging.WARNING,
        )
