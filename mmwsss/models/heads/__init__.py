"""Heads that compute scores and maps from features."""

from .class_token_head import ClassTokenHead
from .deeplab_v1_head import DeepLabV1Head
from .deeplab_v2_head import DeepLabV2Head
from .large_fov_head import LargeFOVHead
from .patch_cam_head import PatchCAMHead
from .projector import Projector

__all__ = [
    'ClassTokenHead',
    'DeepLabV1Head',
    'DeepLabV2Head',
    'LargeFOVHead',
    'PatchCAMHead',
    'Projector',
]
