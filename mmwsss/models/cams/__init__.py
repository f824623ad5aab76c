"""Methods that compute class activation maps from a trained network, one per file."""

from .base import CAMMethod, cam_methods
from .cam import CAM
from .class_attention import ClassAttention
from .generic_attention import GenericAttention
from .getam import GETAM
from .grad_cam import GradCAM
from .gradient_attention import GradientAttention
from .text_cam import TextCAM
from .ts_cam import TSCAM

__all__ = [
    'CAM',
    'CAMMethod',
    'ClassAttention',
    'GETAM',
    'GenericAttention',
    'GradCAM',
    'GradientAttention',
    'TSCAM',
    'TextCAM',
    'cam_methods',
]
