"""Extensions of the segmentation networks of mmseg: image pyramids in training, score fusion in
testing.
"""

from .fusion_tta_model import FusionTTAModel
from .msc_segmentor import MSCSegmentor

__all__ = ['FusionTTAModel', 'MSCSegmentor']
