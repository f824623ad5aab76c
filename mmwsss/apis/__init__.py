"""Functions for programs that use mmwsss; each name is imported on first use."""

from typing import TYPE_CHECKING

from mmwsss.utils.import_hooks import lazy_attributes

if TYPE_CHECKING:
    from .cams import CAMs
    from .config import dataset_of_split, load_config
    from .inferencer import infer_cams, infer_masks, init_model, load_weights
    from .label_map import LabelMap
    from .results import Results
    from .runner import build_runner
    from .segmenter import Segmenter

__all__ = [
    'CAMs',
    'LabelMap',
    'Results',
    'Segmenter',
    'build_runner',
    'dataset_of_split',
    'infer_cams',
    'infer_masks',
    'init_model',
    'load_config',
    'load_weights',
]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    dict(
        CAMs='cams',
        LabelMap='label_map',
        Results='results',
        Segmenter='segmenter',
        build_runner='runner',
        dataset_of_split='config',
        infer_cams='inferencer',
        infer_masks='inferencer',
        init_model='inferencer',
        load_config='config',
        load_weights='inferencer',
    ),
)
