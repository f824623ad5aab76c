"""One paper a file."""
from .acr import ACRClassifier
from .affinity_net import AffinityNet
from .affinity_propagator import AffinityPropagator
from .aream import AReAM
from .base import TagClassifier
from .cosa import CoSA
from .dynamic_threshold import DynamicThreshold
from .fusion_tta_model import FusionTTAModel
from .irn import IRNet
from .mcc import MCC
from .mctformer import MCTformer
from .mctformer_plus import MCTformerPlus
from .msc_segmentor import MSCSegmentor
from .single_stage import SingleStage
from .toco import ToCo
from .view_consistency import ViewConsistency

__all__ = [
    'ACRClassifier', 'AReAM', 'AffinityNet', 'AffinityPropagator', 'CoSA', 'DynamicThreshold', 'FusionTTAModel', 'IRNet', 'MCC',
    'MCTformer', 'MCTformerPlus', 'MSCSegmentor', 'SingleStage', 'TagClassifier', 'ToCo', 'ViewConsistency'
]
