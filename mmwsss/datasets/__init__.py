"""Data sets and their transforms."""

from . import transforms
from .affinity import AffinityDataset
from .coco import COCO14TagDataset
from .image_tags import ImageTagDataset
from .openimages import OpenImagesWSOLDataset
from .pseudo_seg import PseudoSegDataset
from .seeded_sampler import SeededInfiniteSampler
from .stack_collate import stack_collate
from .voc import VOC12TagDataset

__all__ = [
    'AffinityDataset',
    'COCO14TagDataset',
    'ImageTagDataset',
    'OpenImagesWSOLDataset',
    'PseudoSegDataset',
    'SeededInfiniteSampler',
    'VOC12TagDataset',
    'stack_collate',
    'transforms',
]
