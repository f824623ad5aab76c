"""Metrics: quality of CAMs, label maps and tag predictions."""

from .cam_metric import CAMMetric
from .counter_metric import CounterMetric
from .seg_metric import SegMetric
from .tag_metric import TagMetric
from .wsol_metric import WSOLMetric

__all__ = ['CAMMetric', 'CounterMetric', 'SegMetric', 'TagMetric', 'WSOLMetric']
