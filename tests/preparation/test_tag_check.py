"""Checks of tables whose rows can be read."""

import numpy as np
from PIL import Image

from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.tag_check import (
    CLEAR,
    DEEP,
    SMALL,
    TURNED,
    inspect_photos,
    near_duplicates,
    note_balance,
)
from mmwsss.utils.class_lists import COCO_CLASSES, VOC_CLASSES


def test_near_duplicates():
    names = [
        'dog',
        'Dog',
        'dogs',
        'traffic light',
        'traffic_light',
        'person',
        'persno',
        'cat',
        'car',
        'class_1',
        'class_2',
        'cow',
        'crow',
    ]
    assert near_duplicates(names) == [
        ('Dog', 'dog'),
        ('Dog', 'dogs'),
        ('dog', 'dogs'),
        ('persno', 'person'),
        ('traffic light', 'traffic_light'),
    ]
    assert (
        near_duplicates(['tvmonitor', 'tvmonitr']) == [('tvmonitor', 'tvmonitr')]
        and near_duplicates([]) == near_duplicates(['a']) == []
    )
    assert near_duplicates(VOC_CLASSES) == near_duplicates(COCO_CLASSES) == []


def test_balance():
    table = {
        f'{number}': ['sky'] * (number < 19) + ['boat', 'water'] * (number < 12)
        for number in range(20)
    }
    report = CheckReport('tags')
    counts = note_balance(table, ['sky', 'boat', 'water', 'bird'], report)
    assert counts == {'sky': 19, 'boat': 12, 'water': 12}
    assert report.text().splitlines()[1:] == [
        'note: class that more than 90% of the photos show',
        '  sky: 19 of 20',
        'note: class without a photo',
        '  bird',
        'note: classes that always occur together cannot be distinguished',
        '  boat, water: 12 photos',
        'note: images without tags (they count as background)',
        '  19',
    ]
    assert note_balance({}, ['a'], CheckReport('tags')) == {}


def test_unusual_photos_are_noted(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.zeros((60, 80, 3), np.uint8))
    image.save(tmp_path / 'turned.jpg', exif=exif)
    image.save(tmp_path / 'plain.jpg')
    image.convert('RGBA').save(tmp_path / 'clear.png')
    Image.fromarray(np.zeros((60, 80), np.uint16)).save(tmp_path / 'deep.png')
    image.resize((80, 20)).save(tmp_path / 'small.png', exif=exif)
    image.resize((80, 8)).save(tmp_path / 'tiny.png')
    (tmp_path / 'damaged.png').write_bytes(b'x')
    paths = [(path, False) for path in sorted(tmp_path.iterdir())]
    problems, notes = inspect_photos(paths)
    assert [path.name for _, path, _ in problems] == ['damaged.png', 'tiny.png']
    assert [(path.name, kind) for kind, path, _ in notes] == [
        ('clear.png', CLEAR),
        ('deep.png', DEEP),
        ('small.png', TURNED),
        ('small.png', SMALL),
        ('turned.jpg', TURNED),
    ]
    assert notes[-1][2] == 'orientation 6, shown as 60x80'
