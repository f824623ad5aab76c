"""Hooks."""
from .epoch_seed_hook import EpochSeedHook
from .metrics_file_hook import MetricsFileHook
from .pseudo_label_hook import PseudoLabelHook

__all__ = ['EpochSeedHook', 'MetricsFileHook', 'PseudoLabelHook']
