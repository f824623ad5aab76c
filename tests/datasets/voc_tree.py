"""A VOC tree of three images."""

import numpy as np
from PIL import Image

from mmwsss.utils.io import write_mask

OBJECTS = {
    '2007_000001': ('person', 'dog', 'person'),
    '2007_000002': ('tvmonitor',),
    '2007_000003': ('sheep', 'aeroplane'),
}
LISTS = {'train': [0], 'train_aug': [1, 0], 'val': [2], 'test': [2]}


def make_voc_tree(root, size=(6, 8)):
    """Write images, annotations, lists and masks; the masks show another class (cat) than the
    annotations.

    ``size`` is (H,W). Returns ``root``.
    """
    for folder in ('JPEGImages', 'Annotations', 'ImageSets/Segmentation'):
        (root / folder).mkdir(parents=True)
    for name, objects in OBJECTS.items():
        Image.fromarray(np.zeros((*size, 3), np.uint8)).save(root / 'JPEGImages' / f'{name}.jpg')
        write_mask(root / 'SegmentationClassAug' / f'{name}.png', np.full(size, 8))
        entries = ''.join(
            f'<object><name>{tag}</name><part><name>head</name></part></object>' for tag in objects
        )
        (root / 'Annotations' / f'{name}.xml').write_text(f'<annotation>{entries}</annotation>')
    for split, numbers in LISTS.items():
        (root / 'ImageSets' / 'Segmentation' / f'{split}.txt').write_text(
            '\n'.join(list(OBJECTS)[number] for number in numbers)
        )
    return root
