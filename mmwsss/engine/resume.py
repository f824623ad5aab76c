"""State that a resumed run keeps and options that may change."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmwsss.utils.config_text import parse_config_text

SECTIONS = (
    'model',
    'optim_wrapper',
    'param_scheduler',
    'train_cfg',
    'train_dataloader',
    'auto_scale_lr',
    'total_batch_size',
)
# the location of the data and the speed of reading do not affect the results
SILENT_KEYS = {
    'num_workers',
    'persistent_workers',
    'prefetch_factor',
    'pin_memory',
    'collate_fn',
    'fused',
    'data_root',
    'data_prefix',
    'ann_file',
    'tag_file',
    '_scope_',
}
MOST_NAMED = 12


def changed_settings(text: Any, config: Config) -> dict[str, tuple[Any, Any]] | None:
    """Training settings that differ between a checkpoint and a config.

    Args:
        text: ``meta['cfg']`` of the checkpoint; it is parsed as data and never executed.
        config (Config): Config of the resumed run.

    Returns:
        dict[str, tuple] | None: Old and new value of each setting by its dotted name; None if the
            checkpoint has no readable config.
    """
    before = parse_config_text(text) if isinstance(text, str) else None
    if not before:
        return None
    after = parse_config_text(config.pretty_text) or {}
    changes: dict[str, tuple[Any, Any]] = {}
    for section in SECTIONS:
        _compare(before.get(section), after.get(section), section, changes)
    return changes


def _compare(before: Any, after: Any, name: str, changes: dict) -> None:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            if key not in SILENT_KEYS:
                _compare(before.get(key), after.get(key), f'{name}.{key}', changes)
    elif _is_list(before) and _is_list(after) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after)):
            _compare(old, new, f'{name}.{index}', changes)
    elif before != after:
        changes[name] = (before, after)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def describe_changes(changes: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """``['train_cfg.max_epochs 2 -> 4', ...]``, limited to the first ones."""
    lines = [f'{name} {_short(old)} -> {_short(new)}' for name, (old, new) in changes.items()]
    if len(lines) > MOST_NAMED:
        lines = [*lines[:MOST_NAMED], f'and {len(lines) - MOST_NAMED} more']
    return lines


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def fast_forward(schedulers: Sequence[Any], iterations: int, epochs: int) -> None:
    """Advance newly built schedulers to a later step, as the training would have.

    Args:
        schedulers (Sequence[_ParamScheduler]): Schedulers at their first step.
        iterations (int): Number of finished iterations.
        epochs (int): Number of finished epochs, over which the iterations are evenly distributed; 0
            for a loop by iteration.
    """
    by_iteration = [scheduler for scheduler in schedulers if not scheduler.by_epoch]
    by_epoch = [scheduler for scheduler in schedulers if scheduler.by_epoch]
    ends = [round(iterations * (epoch + 1) / epochs) for epoch in range(epochs)]
    done = 0
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # there are no optimizer steps in between
        for end in [*ends, None]:
            target = iterations if end is None else end
            for _ in range(target - done if by_iteration else 0):
                for scheduler in by_iteration:
                    scheduler.step()
            done = iterations if end is None else end
            for scheduler in by_epoch if end is not None else ():
                scheduler.step()


def apply_hyperparameters(
    groups: Sequence[dict], expected: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Set the hyperparameters of the optimizer groups to those of the config where they differ.

    Args:
        groups (Sequence[dict]): Groups as restored from the checkpoint; changed in place.
        expected (Sequence[Mapping]): The same groups according to the config at this step.

    Returns:
        list[str]: One entry per hyperparameter that changed, with the first old and new value.
    """
    notes: dict[str, str] = {}
    for group, wanted in zip(groups, expected):
        for key, value in wanted.items():
            if _same(group.get(key), value):
                continue  # identical to the checkpoint
            if not key.startswith('initial_'):
                notes.setdefault(key, f'{key} {_short(group.get(key))} -> {_short(value)}')
            group[key] = value
    return list(notes.values())


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, float) and isinstance(new, (int, float)):
        return math.isclose(old, new, rel_tol=1e-9, abs_tol=0.0)
    if _is_list(old) and _is_list(new):
        return list(old) == list(new)
    return bool(old == new)
