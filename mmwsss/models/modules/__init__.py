"""Parts that several methods share: consistency of two views, dynamic thresholds, moving
averages.
"""

from .dynamic_threshold import DynamicThreshold
from .moving_average import MovingAverage
from .view_consistency import ViewConsistency

__all__ = ['DynamicThreshold', 'MovingAverage', 'ViewConsistency']
