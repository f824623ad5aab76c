"""Class names of the benchmarks."""

import pytest

from mmwsss.utils.class_lists import COCO_CLASSES, VOC_CLASSES, benchmark_classes


def test_numbers_and_order():
    assert len(VOC_CLASSES) == 21 and len(COCO_CLASSES) == 81
    for names in (VOC_CLASSES, COCO_CLASSES):
        assert names[0] == 'background' and len(set(names)) == len(names)
        assert all(name == name.strip().lower() for name in names)
    assert list(VOC_CLASSES[1:]) == sorted(VOC_CLASSES[1:])  # as the benchmark lists them
    # by ascending category id of COCO
    ids = {'person': 1, 'traffic light': 10, 'toilet': 62, 'toothbrush': 80}
    assert {name: COCO_CLASSES.index(name) for name in ids} == ids


def test_lists_by_name():
    assert benchmark_classes('voc') is VOC_CLASSES and benchmark_classes('coco') is COCO_CLASSES
    with pytest.raises(ValueError, match="classes='cats': expected a list .* one of voc, coco"):
        benchmark_classes('cats')
