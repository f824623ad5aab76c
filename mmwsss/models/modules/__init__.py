"""Parts that several methods share: consistency of two views, dynamic thresholds."""

from .dynamic_threshold import DynamicThreshold
from .view_consistency import ViewConsistency

__all__ = ['DynamicThreshold', 'ViewConsistency']
