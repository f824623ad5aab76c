"""Files of PASCAL VOC and SBD, one image at a time; whole data sets are tested with the tool."""

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from mmwsss.preparation.voc_check import (
    VOCFiles,
    augmented_split,
    check_sbd_mask,
    check_voc_image,
    read_sbd_labels,
    repair_mask,
    write_sbd_masks,
)
from mmwsss.utils.io import read_mask, write_mask

XML = '<annotation>{}</annotation>'
OBJECT = '<object><name>{}</name></object>'


@pytest.fixture
def files(tmp_path):
    """An image with a cat and a dog, in mask and annotation."""
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / 'a.jpg')
    mask = np.zeros((6, 8), np.uint8)
    mask[:2], mask[4:], mask[3] = 8, 12, 255
    write_mask(tmp_path / 'a.png', mask)
    (tmp_path / 'a.xml').write_text(XML.format(OBJECT.format('dog') + OBJECT.format('cat')))
    return VOCFiles('a', tmp_path / 'a.jpg', tmp_path / 'a.png', tmp_path / 'a.xml')


def test_tags_of_mask_and_annotation(files):
    finding = check_voc_image(files)
    assert finding.problems == []
    assert finding.mask_tags == finding.annotation_tags == ['cat', 'dog']


def test_every_problem_of_an_image(files, tmp_path):
    files.image.write_bytes(files.image.read_bytes()[:100])
    write_mask(files.mask, np.full((6, 8), 21))
    files.annotation.write_text(XML.format(OBJECT.format('unicorn')))
    kinds = [(kind, path.name) for kind, path, _ in check_voc_image(files).problems]
    assert [name for _, name in kinds] == ['a.jpg', 'a.png', 'a.xml']
    assert kinds[0][0] == 'truncated or unreadable image'
    missing = VOCFiles('b', tmp_path / 'b.jpg', None, tmp_path / 'b.xml')
    assert [kind for kind, *_ in check_voc_image(missing).problems] == [
        'image not found',
        'annotation not found',
    ]


def test_annotations_of_sbd(tmp_path):
    labels = np.zeros((6, 8), np.uint8)
    labels[2:] = 15
    savemat(tmp_path / 'a.mat', {'GTcls': {'Segmentation': labels}})
    np.testing.assert_array_equal(read_sbd_labels(tmp_path / 'a.mat'), labels)
    assert check_voc_image(VOCFiles('a', None, tmp_path / 'a.mat', None)).mask_tags == ['person']
    kind, detail = check_sbd_mask(tmp_path / 'a.mat', (8, 6)).problem
    assert kind == 'mask and image differ in size (width x height)' and detail == '8x6 and 6x8'
    assert write_sbd_masks([(tmp_path / 'a.mat', tmp_path / 'a.png')]) == 1
    np.testing.assert_array_equal(read_mask(tmp_path / 'a.png'), labels)
    (tmp_path / 'b.mat').write_bytes(b'nothing')
    assert check_sbd_mask(tmp_path / 'b.mat').problem[0] == 'not a class annotation of SBD'


def test_repaired_mask(files):
    """Colours of the palette instead of labels."""
    labels = read_mask(files.mask)
    Image.open(files.mask).convert('RGB').save(files.mask)
    (problem,) = check_voc_image(files).problems
    assert 'not a palette PNG' in problem[0]
    repair_mask(files.mask)
    np.testing.assert_array_equal(read_mask(files.mask), labels)
    assert Image.open(files.mask).mode == 'P'


def test_augmented_split():
    assert augmented_split(['c', 'a'], ['b', 'd'], ['d', 'e', 'a']) == ['a', 'c', 'e']
