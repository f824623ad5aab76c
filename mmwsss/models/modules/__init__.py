"""Parts that several methods share: consistency of two views, dynamic thresholds, teachers,
superpixels.
"""

from .dynamic_threshold import DynamicThreshold
from .superpixels import Superpixels
from .teacher_student import TeacherStudent
from .view_consistency import ViewConsistency

__all__ = ['DynamicThreshold', 'Superpixels', 'TeacherStudent', 'ViewConsistency']
