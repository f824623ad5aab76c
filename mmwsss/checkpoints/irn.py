"""Key maps between the weights of jiwoon-ahn/irn (``res50_irn.pth``) and
:class:`~mmwsss.models.affinity.IRNet`: pure functions.

The released network holds each of its modules under several names (``resnet50.layer1`` is also
``stage2.0`` and ``backbone.1.0``, ``fc_edge1`` also ``edge_layers.0``): one of them is read, and
the first of them is written. The names are those of the public code; no released file was
available.
"""

import re
from typing import Any

NUM_EDGE, NUM_DISPLACEMENT = 6, 7
# pattern of a whole released name -> name of mmwsss, and vice versa
OURS = {
    r'resnet50\.((?:conv1|bn1|layer[1-4])\..+)': r'backbone.\1',
    r'fc_edge6\.(\w+)': r'edge.\1',
    r'fc_dp6\.([01]\.\w+)': r'displacement.merge.\1',
    r'fc_dp7\.([01]\.\w+)': r'displacement.vectors.0.\1',
    r'fc_dp7\.3\.(\w+)': r'displacement.vectors.2.\1',
    r'mean_shift\.running_mean': 'displacement.mean',
}
RELEASED = {
    r'backbone\.(.+)': r'resnet50.\1',
    r'edge\.(\w+)': r'fc_edge6.\1',
    r'displacement\.merge\.(.+)': r'fc_dp6.\1',
    r'displacement\.vectors\.0\.(.+)': r'fc_dp7.\1',
    r'displacement\.vectors\.2\.(.+)': r'fc_dp7.3.\1',
    r'displacement\.mean': 'mean_shift.running_mean',
}
# stage -> ResNet name; stage1 is a sequence of convolution, norm, ReLU and pooling
STEM = {'0': 'conv1', '1': 'bn1'}


def is_irn(state: dict[str, Any]) -> bool:
    """Whether ``state`` has the names of the released IRN."""
    return any(key in state for key in ('fc_edge6.weight', 'edge_layers.5.weight'))


def translate_irn_keys(state: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Convert released IRN weights to the names of mmwsss.

    Args:
        state (dict): Weights by the released names.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out (except for
            duplicate names).
    """
    translated: dict[str, Any] = {}
    unused: list[str] = []
    for name, value in state.items():
        canonical = _canonical_name(name)
        ours = None if canonical is None else _our_name(canonical)
        if ours is None:
            unused.append(name)
        else:
            translated.setdefault(ours, value)
    return translated, unused


def release_irn_keys(state: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Convert the weights of :class:`IRNet` to the released names; the released code reads them
    without the duplicate names.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out.
    """
    released, unused = {}, []
    for name, value in state.items():
        theirs = _released_name(name)
        if theirs is None:
            unused.append(name)
        else:
            released[theirs] = value
    return released, unused


def _canonical_name(name: str) -> str:
    """The first of the names of a parameter: ``resnet50.*``, ``fc_edge*``, ``fc_dp*`` or
    ``mean_shift.*``.
    """
    name = re.sub(r'^backbone\.(\d)\.', lambda found: f'stage{int(found[1]) + 1}.', name)
    stem = re.fullmatch(r'stage1\.([01])\.(.+)', name)
    if stem:
        return f'resnet50.{STEM[stem[1]]}.{stem[2]}'
    name = re.sub(r'^stage([2-5])\.0\.', lambda found: f'resnet50.layer{int(found[1]) - 1}.', name)
    for plural, single, count in (
        ('edge_layers', 'fc_edge', NUM_EDGE),
        ('dp_layers', 'fc_dp', NUM_DISPLACEMENT),
    ):
        found = re.fullmatch(rf'{plural}\.(\d)\.(.+)', name)
        if found and int(found[1]) < count:
            name = f'{single}{int(found[1]) + 1}.{found[2]}'
    return 'mean_shift.running_mean' if name == 'fc_dp7.4.running_mean' else name


def _renamed(name: str, patterns: dict[str, str]) -> str | None:
    """Name converted by the first pattern that matches it as a whole; None if none matches."""
    for pattern, replacement in patterns.items():
        found = re.fullmatch(pattern, name)
        if found:
            return found.expand(replacement)
    return None


def _our_name(name: str) -> str | None:
    ours = _renamed(name, OURS)
    if ours is not None:
        return ours
    parts = re.fullmatch(r'fc_(edge|dp)([1-5])\.([01]\.\w+)', name)
    if parts is None:
        return None
    index = int(parts[2]) - 1
    if parts[1] == 'edge':
        return f'edge_embeddings.{index}.{parts[3]}'
    return (
        f'displacement.fine.{index}.{parts[3]}'
        if index < 2
        else f'displacement.coarse.{index - 2}.{parts[3]}'
    )


def _released_name(name: str) -> str | None:
    theirs = _renamed(name, RELEASED)
    if theirs is not None:
        return theirs
    parts = re.fullmatch(
        r'(edge_embeddings|displacement\.fine|displacement\.coarse)\.(\d)\.(.+)', name
    )
    if parts is None:
        return None
    start = {
        'edge_embeddings': 'fc_edge',
        'displacement.fine': 'fc_dp',
        'displacement.coarse': 'fc_dp',
    }[parts[1]]
    return f'{start}{int(parts[2]) + (3 if parts[1].endswith("coarse") else 1)}.{parts[3]}'
