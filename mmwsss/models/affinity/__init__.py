"""Networks that predict the affinity of neighbouring cells: PSA and IRN."""

from .base import AffinityPropagator
from .irn import IRNet
from .psa import AffinityNet

__all__ = ['AffinityNet', 'AffinityPropagator', 'IRNet']
