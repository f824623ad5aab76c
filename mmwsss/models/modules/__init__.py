"""Parts that several methods share: consistency of two views, dynamic thresholds, teachers."""

from .dynamic_threshold import DynamicThreshold
from .teacher_student import TeacherStudent
from .view_consistency import ViewConsistency

__all__ = ['DynamicThreshold', 'TeacherStudent', 'ViewConsistency']
