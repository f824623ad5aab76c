"""Transforms of image-tag data."""
from mmwsss.utils.compat import import_quietly

from .formatting import PackTagInputs
from .loading import LoadImage, LoadMask
from .multi_scale import MultiScaleViews
from .random_scale import RandomScale

import_quietly('mmseg.datasets', 'mmpretrain.datasets')

__all__ = ['LoadImage', 'LoadMask', 'MultiScaleViews', 'PackTagInputs', 'RandomScale']
