"""What annotation formats share."""

import numpy as np
import pytest

from mmwsss.preparation.exports import (
    FORMATS,
    COCOFormat,
    CVATFormat,
    LabelmeFormat,
    LabelStudioFormat,
    MaskFormat,
    PaletteFormat,
    YOLOFormat,
)
from mmwsss.preparation.exports.base import MaskFormat as Base

CLASSES = ('background', 'cat', 'dog')


def test_names_on_the_command_line():
    assert FORMATS == dict(
        coco=COCOFormat,
        labelme=LabelmeFormat,
        labelstudio=LabelStudioFormat,
        cvat=CVATFormat,
        yolo=YOLOFormat,
        png=PaletteFormat,
    )
    assert Base is MaskFormat and all(issubclass(kind, Base) for kind in FORMATS.values())


@pytest.mark.parametrize('name', FORMATS)
def test_class_ids(name):
    exporter = FORMATS[name](CLASSES)
    assert [exporter.class_id(known, 'file') for known in CLASSES[1:]] == [1, 2]
    for unknown in ('background', 'horse', 3):
        with pytest.raises(ValueError, match=f'file.json: {unknown!r} is not a known class'):
            exporter.class_id(unknown, 'file.json')


def test_small_regions_are_left_out():
    mask = np.zeros((6, 8), np.uint8)
    mask[:2, :2] = 1
    mask[4:, 4:] = 2
    mask[5, 0] = 2
    counts = [len(list(COCOFormat(CLASSES, min_area=area).regions(mask))) for area in (1, 2, 5, 9)]
    assert counts == [3, 2, 1, 0]
