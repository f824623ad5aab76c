"""Transforms of image-tag data."""

from mmwsss.utils.compat import import_quietly

from .affinity_crop import AffinityCrop
from .affinity_scale import AffinityScale
from .aligned_scale import AlignedScale
from .color_jitter import ColorJitter
from .crf_maps_to_label import CRFMapsToLabel
from .formatting import PackTagInputs
from .ir_label_to_grid import IRLabelToGrid
from .load_crf_maps import LoadCRFMaps
from .load_image import LoadImage
from .load_ir_label import LoadIRLabel
from .load_mask import LoadMask
from .load_wsol_mask import LoadWSOLMask
from .multi_scale import MultiScaleViews
from .multi_views import MultiViews
from .pack_affinity_inputs import PackAffinityInputs
from .rand_augment import RandAugment
from .random_long_side import RandomLongSide
from .random_photometry import RandomPhotometry
from .random_resized_crop import RandomResizedCrop
from .random_scale import RandomScale
from .random_scale_crop import RandomScaleCrop
from .strong_view import StrongView
from .views import TwoViews

import_quietly('mmseg.datasets', 'mmpretrain.datasets')

__all__ = [
    'AffinityCrop',
    'AffinityScale',
    'AlignedScale',
    'CRFMapsToLabel',
    'ColorJitter',
    'IRLabelToGrid',
    'LoadCRFMaps',
    'LoadIRLabel',
    'LoadImage',
    'LoadMask',
    'LoadWSOLMask',
    'MultiScaleViews',
    'MultiViews',
    'PackAffinityInputs',
    'PackTagInputs',
    'RandAugment',
    'RandomLongSide',
    'RandomPhotometry',
    'RandomResizedCrop',
    'RandomScale',
    'RandomScaleCrop',
    'StrongView',
    'TwoViews',
]
