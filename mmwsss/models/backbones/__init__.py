"""Feature extractors."""

from .ceil_pool_resnet import CeilPoolResNet
from .conv_stem import ConvStem
from .efficientnet_lite import EfficientNetLite
from .hybrid_vit import HybridViT
from .library_vit import LibraryViT
from .pyramid_resnet import PyramidResNet
from .resnet_stem import ResNetStem
from .token_vit import TokenFeatures, TokenViT
from .wide_resnet38 import WideResNet38

__all__ = [
    'CeilPoolResNet',
    'ConvStem',
    'EfficientNetLite',
    'HybridViT',
    'LibraryViT',
    'PyramidResNet',
    'ResNetStem',
    'TokenFeatures',
    'TokenViT',
    'WideResNet38',
]
