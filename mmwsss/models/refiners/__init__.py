"""Refinement of score maps with one interface, from images and maps to scores
(:class:`Refiner`).
"""

from .base import Refiner
from .batch_refiner import BatchRefiner
from .crf_refiner import CRFRefiner
from .dense_crf import DenseCRF
from .irn_refiner import IRNRefiner
from .par import PAR
from .par_refiner import PARRefiner
from .per_image_refiner import PerImageRefiner
from .psa_refiner import PSARefiner
from .sam_refiner import SAMRefiner
from .superpixels_refiner import SuperpixelsRefiner
from .threshold_refiner import ThresholdRefiner

__all__ = [
    'PAR',
    'BatchRefiner',
    'CRFRefiner',
    'DenseCRF',
    'IRNRefiner',
    'PARRefiner',
    'PSARefiner',
    'PerImageRefiner',
    'Refiner',
    'SAMRefiner',
    'SuperpixelsRefiner',
    'ThresholdRefiner',
]
