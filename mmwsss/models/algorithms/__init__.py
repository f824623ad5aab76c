"""One method per file."""

from .acr import ACRClassifier
from .aream import AReAM
from .base import TagClassifier
from .clip_es import CLIPES
from .composed import Composed
from .cosa import CoSA
from .mcc import MCC
from .mctformer import MCTformer
from .mctformer_plus import MCTformerPlus
from .single_stage import SingleStage
from .toco import ToCo
from .token_contrast import TokenContrast

__all__ = [
    'ACRClassifier',
    'AReAM',
    'CLIPES',
    'CoSA',
    'Composed',
    'MCC',
    'MCTformer',
    'MCTformerPlus',
    'SingleStage',
    'TagClassifier',
    'ToCo',
    'TokenContrast',
]
