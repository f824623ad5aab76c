"""Refinement of score maps: one interface, images and maps to maps."""

from .dense_crf import DenseCRF
from .par import PAR

__all__ = ['PAR', 'DenseCRF']
