"""MS COCO 2014 in VOC layout."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets import COCO14TagDataset
from mmwsss.datasets.coco import coco_setup_hint
from mmwsss.utils.class_lists import COCO_CLASSES
from mmwsss.utils.io import write_mask


@pytest.fixture
def root(tmp_path):
    """Two images, one without tags."""
    for name in ('a', 'b'):
        path = tmp_path / 'JPEGImages' / f'{name}.jpg'
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(path)
        write_mask(tmp_path / 'SegmentationClass' / f'{name}.png', np.full((6, 8), 80))
    (tmp_path / 'image_tags.csv').write_text('image,tags\na,"traffic light" person\nb,\n')
    lists = tmp_path / 'ImageSets' / 'Segmentation'
    lists.mkdir(parents=True)
    (lists / 'val.txt').write_text('a\nb\n')
    return tmp_path


def test_tags_and_masks(root):
    options = dict(data_root=str(root), ann_file='ImageSets/Segmentation/val.txt')
    dataset = COCO14TagDataset(**options, test_mode=True, pipeline=[])
    assert dataset.metainfo['classes'] == COCO_CLASSES and len(COCO_CLASSES) == 81
    first, second = (dataset.get_data_info(index) for index in range(2))
    assert sorted(COCO_CLASSES[tag + 1] for tag in first['gt_tags']) == ['person', 'traffic light']
    assert not len(second['gt_tags']) and first['seg_map_path'].endswith('a.png')
    training = COCO14TagDataset(**options, pipeline=[])
    assert training.get_data_info(0).get('seg_map_path') is None  # masks are for evaluation


def test_what_is_expected_where(root):
    (root / 'image_tags.csv').unlink()
    with pytest.raises(FileNotFoundError, match='tools/dataset_converters/coco14.py'):
        COCO14TagDataset(data_root=str(root), ann_file='ImageSets/Segmentation/val.txt')
    assert str(root) in coco_setup_hint(root)
