"""Data sets and their transforms."""
from . import transforms
from .affinity import AffinityDataset
from .coco import COCO14TagDataset
from .image_tags import ImageTagDataset
from .pseudo_seg import PseudoSegDataset
from .voc import VOC12TagDataset

__all__ = ['AffinityDataset', 'COCO14TagDataset', 'ImageTagDataset', 'PseudoSegDataset', 'VOC12TagDataset', 'transforms']
