"""Everything that holds parameters."""
from . import algorithms, backbones, heads, losses, refiners
from .data_preprocessor import ViewsDataPreprocessor

__all__ = ['ViewsDataPreprocessor', 'algorithms', 'backbones', 'heads', 'losses', 'refiners']
