"""Items of the benchmark: those of :data:`ITEMS` compare two ways to compute the same and are
functions ``(device, quick) -> Case`` of the module named there; those of :data:`TABLES` only
measure and are functions ``(device, quick) -> Table``.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch

ITEMS = {
    'train': 'mctformer',
    'cam': 'mctformer',
    'cam_bf16': 'mctformer',
    'cam_batch8': 'mctformer',
    'aream': 'aream',
    'acr_train': 'acr',
    'gradcam': 'acr',
    'mcc_train': 'mcc',
    'cosa_train': 'cosa',
    'gmm': 'cosa',
    'gmm_binned': 'cosa',
    'sweep': 'sweep',
    'sweep200': 'evaluation',
    'walk_sweep': 'sweep',
    'seg_eval': 'evaluation',
    'walk': 'affinity',
    'irn_walk': 'affinity',
    'pair_loss': 'affinity',
    'par': 'refinement',
    'par_labels': 'refinement',
    'crf': 'refinement',
    'crf_batch': 'refinement',
    'energy': 'refinement',
}

TABLES = {
    'loaders': 'loaders',
    'steps': 'device',
    'cams': 'device',
    'feed': 'device',
}

LONG_ITEMS = ('sweep200',)  # run on request only


Table = dict[str, dict[str, float | str]]  # row -> name -> number


class Case(NamedTuple):
    """Two ways to compute the same from inputs that are ready."""

    ours: Callable  # () -> tensor or tuple of tensors
    textbook: Callable


def make_table(item: str, device: 'torch.device', quick: bool) -> Table:
    """Measure an item of :data:`TABLES`."""
    return getattr(import_module(f'{__name__}.{TABLES[item]}'), item)(device, quick)


def make_case(item, device, quick):
    """Set up an item; the same inputs every time."""
    import torch

    torch.manual_seed(0)
    return getattr(import_module(f'{__name__}.{ITEMS[item]}'), item)(device, quick)
