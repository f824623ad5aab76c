"""Everything that holds parameters."""
from . import algorithms, backbones, cams, heads, losses, refiners
from .data_preprocessor import ViewsDataPreprocessor

__all__ = ['ViewsDataPreprocessor', 'algorithms', 'backbones', 'cams', 'heads', 'losses', 'refiners']
