"""What a program that uses mmwsss calls."""

from .config import dataset_of_split, load_config
from .inferencer import CAMs, infer_cams, infer_masks, init_model, load_weights
from .runner import build_runner

__all__ = [
    'CAMs',
    'build_runner',
    'dataset_of_split',
    'infer_cams',
    'infer_masks',
    'init_model',
    'load_config',
    'load_weights',
]
