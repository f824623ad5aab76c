"""Instance annotations of COCO; whole data sets are tested with the tool."""

import json

import numpy as np
import pytest

from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.coco_instances import (
    COCOMaskJob,
    annotation_problem,
    areal,
    coco_label_map,
    index_annotations,
    rle_extent,
)
from mmwsss.utils.run_lengths import unpack_runs

codes = pytest.importorskip('pycocotools.mask')
SQUARE = [1.0, 1.0, 5.0, 1.0, 5.0, 4.0, 1.0, 4.0]


def annotation(number, image, category, shape, **more):
    return dict(id=number, image_id=image, category_id=category, segmentation=shape, **more)


@pytest.fixture
def file(tmp_path):
    """Two images; a large person under a small dog, and a crowd."""
    path = tmp_path / 'instances.json'
    crowd = dict(size=[6, 8], counts=[0, 6, 42])
    path.write_text(
        json.dumps(
            dict(
                images=[
                    dict(id=9, file_name='b.jpg', height=6, width=8),
                    dict(id=4, file_name='a.jpg', height=6, width=8),
                ],
                annotations=[
                    annotation(1, 9, 1, [SQUARE], area=12.0, iscrowd=0),
                    annotation(2, 9, 18, [[1.0, 1.0, 3.0, 1.0, 3.0, 3.0, 1.0, 3.0]], area=4.0),
                    annotation(3, 9, 90, crowd, area=6.0, iscrowd=1),
                ],
                categories=[dict(id=1, name='person'), dict(id=18, name='dog')],
            )
        )
    )
    return path


def test_index(file):
    report = CheckReport('test')
    first, second = index_annotations(file, report)
    assert (first.img_id, first.labels, first.places) == ('a', (), ())
    assert (second.img_id, second.labels, second.size) == ('b', (1, 17, 80), (6, 8))
    assert report.num_problems == 0 and len(second.places) == 3


@pytest.mark.parametrize('crowd, label', [('paint', 80), ('ignore', 255)])
def test_small_instances_lie_on_top(crowd, label, file):
    *_, image = index_annotations(file, CheckReport('test'))
    job = COCOMaskJob(str(file), image.places, image.size, '', 'smallest', crowd)
    mask = coco_label_map(job)
    assert mask.dtype == np.uint8 and mask.shape == (6, 8)
    assert (mask[:, 0] == label).all() and mask[3, 4] == 1 and mask[1, 1] == 17
    assert not mask[:, 6:].any()


@pytest.mark.parametrize(
    'wrong, kind',
    [
        (3, 'annotation that is'),
        (dict(id=1), 'annotation without a field'),
        (annotation(1, 1.5, 1, []), 'image_id is'),
        (annotation(1, 1, 12, []), 'category outside the 80 of COCO 2014'),
        (annotation(1, 1, 1, [[0.0, float('nan')]]), 'neither a list of polygons nor RLE'),
        (annotation(1, 1, 1, dict(size=[2], counts=[])), 'neither a list of polygons nor RLE'),
        (annotation(1, 1, 1, [SQUARE], area='x'), 'area is'),
    ],
)
def test_wrong_annotations(wrong, kind):
    assert kind in annotation_problem(wrong)[0]
    assert annotation_problem(annotation(1, 1, 1, [SQUARE])) is None


def test_run_lengths():
    mask = np.asfortranarray(np.random.default_rng(0).integers(0, 2, (7, 9), np.uint8))
    packed = codes.encode(mask)['counts'].decode()
    flat = mask.ravel(order='F')
    runs = unpack_runs(packed)
    assert sum(runs) == 63
    rebuilt = np.repeat(np.arange(len(runs)) % 2, runs)
    np.testing.assert_array_equal(rebuilt, flat)
    assert rle_extent(dict(size=[7, 9], counts=packed)) == (7, 9, 63)
    assert rle_extent(dict(size=[7, 9], counts=[3, -1])) == (7, 9, -1)
    for text in ('\x00', 'o'):
        with pytest.raises(ValueError, match='RLE string'):
            unpack_runs(text)


def test_polygons_with_an_area():
    assert areal([SQUARE, [0.0, 0.0, 1.0, 1.0], [0.0] * 7]) == [SQUARE]
