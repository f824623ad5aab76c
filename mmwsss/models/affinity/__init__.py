"""Networks that learn which neighbouring cells belong together: PSA and IRN."""

from .base import AffinityPropagator
from .irn import IRNet
from .psa import AffinityNet

__all__ = ['AffinityNet', 'AffinityPropagator', 'IRNet']
