"""Networks, losses and all other modules with parameters."""

from mmwsss.utils.compat import count_accuracy_on_device

from . import affinity, algorithms, backbones, cams, heads, losses, modules, refiners, segmentors
from .data_preprocessor import ViewsDataPreprocessor
from .seg_data_preprocessor import SegDataPreprocessor

count_accuracy_on_device()

__all__ = [
    'SegDataPreprocessor',
    'ViewsDataPreprocessor',
    'affinity',
    'algorithms',
    'backbones',
    'cams',
    'heads',
    'losses',
    'modules',
    'refiners',
    'segmentors',
]
