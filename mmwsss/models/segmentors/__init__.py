"""Segmentation networks around mmseg's: image pyramids in training, score fusion in testing."""

from .fusion_tta_model import FusionTTAModel
from .msc_segmentor import MSCSegmentor

__all__ = ['FusionTTAModel', 'MSCSegmentor']
