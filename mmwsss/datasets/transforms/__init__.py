"""Transforms of image-tag data."""
from mmwsss.utils.compat import import_quietly

from .affinity import AffinityCrop, AffinityScale, CRFMapsToLabel, IRLabelToGrid, LoadCRFMaps, LoadIRLabel, PackAffinityInputs
from .formatting import PackTagInputs
from .load_image import LoadImage
from .load_mask import LoadMask
from .multi_scale import MultiScaleViews
from .random_scale import RandomScale

import_quietly('mmseg.datasets', 'mmpretrain.datasets')

__all__ = [
    'AffinityCrop', 'AffinityScale', 'CRFMapsToLabel', 'IRLabelToGrid', 'LoadCRFMaps', 'LoadIRLabel', 'LoadImage', 'LoadMask',
    'MultiScaleViews', 'PackAffinityInputs', 'PackTagInputs', 'RandomScale'
]
