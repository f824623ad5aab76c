"""Loss functions, one equation per file."""

from .attention_affinity_loss import AttentionAffinityLoss
from .attention_consistency_loss import AttentionConsistencyLoss
from .balanced_seg_loss import BalancedSegLoss
from .class_token_contrast_loss import ClassTokenContrastLoss
from .contrastive_separation_loss import ContrastiveSeparationLoss
from .dense_energy_loss import DenseEnergyLoss
from .masked_contrast_loss import MaskedContrastLoss
from .pixel_cross_entropy_loss import PixelCrossEntropyLoss
from .reliability_weighted_loss import ReliabilityWeightedLoss
from .seg_to_cam_loss import SegToCAMLoss
from .tag_loss import TagLoss
from .token_affinity_loss import TokenAffinityLoss

__all__ = [
    'AttentionAffinityLoss',
    'AttentionConsistencyLoss',
    'BalancedSegLoss',
    'ClassTokenContrastLoss',
    'ContrastiveSeparationLoss',
    'DenseEnergyLoss',
    'MaskedContrastLoss',
    'PixelCrossEntropyLoss',
    'ReliabilityWeightedLoss',
    'SegToCAMLoss',
    'TagLoss',
    'TokenAffinityLoss',
]
