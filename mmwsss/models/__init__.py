"""Everything that holds parameters."""

from . import affinity, algorithms, backbones, cams, heads, losses, modules, refiners, segmentors
from .data_preprocessor import ViewsDataPreprocessor

__all__ = [
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
