"""A folder of four photos with tags and masks, in VOC layout."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.utils.io import write_mask

TAGS = {'a': 'dog', 'b': 'cat dog', 'c': '', 'd': 'cat'}


@pytest.fixture
def photos(tmp_path):
    """Path of the folder: images a, b, c, d of 12x16 pixels (H x W), classes background, dog,
    cat.
    """
    root = tmp_path / 'photos'
    (root / 'JPEGImages').mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, tags in TAGS.items():
        Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).save(
            root / 'JPEGImages' / f'{name}.jpg'
        )
        mask = np.zeros((12, 16), np.uint8)
        for number, tag in enumerate(tags.split()):
            mask[4 * number : 4 * number + 4] = ('dog', 'cat').index(tag) + 1
        mask[-1] = 255
        write_mask(root / 'SegmentationClass' / f'{name}.png', mask)
    (root / 'image_tags.csv').write_text(
        'image,tags\n' + ''.join(f'{name},{tags}\n' for name, tags in TAGS.items())
    )
    (root / 'classes.txt').write_text('background\ndog\ncat\n')
    (root / 'train.txt').write_text('b\na\n')
    return root
