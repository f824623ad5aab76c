"""Feature extractors."""
from .conv_stem import ConvStem
from .pyramid_resnet import PyramidResNet
from .token_vit import TokenFeatures, TokenViT
from .wide_resnet38 import WideResNet38

__all__ = ['ConvStem', 'PyramidResNet', 'TokenFeatures', 'TokenViT', 'WideResNet38']
