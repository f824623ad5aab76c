"""One paper a file."""
from .affinity_net import AffinityNet
from .affinity_propagator import AffinityPropagator
from .base import TagClassifier
from .fusion_tta_model import FusionTTAModel
from .irn import IRNet
from .mctformer import MCTformer
from .mctformer_plus import MCTformerPlus
from .msc_segmentor import MSCSegmentor

__all__ = ['AffinityNet', 'AffinityPropagator', 'FusionTTAModel', 'IRNet', 'MCTformer', 'MCTformerPlus', 'MSCSegmentor', 'TagClassifier']
