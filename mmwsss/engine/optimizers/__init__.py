"""Learning-rate schedules."""

from .warmup_cosine_lr import WarmupCosineLR
from .warmup_poly_lr import WarmupPolyLR

__all__ = ['WarmupCosineLR', 'WarmupPolyLR']
