"""Checks of tables whose rows can be read."""

from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.tag_check import near_duplicates, note_balance
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
        'note: classes that always occur together cannot be told apart',
        '  boat, water: 12 photos',
        'note: images without tags (they count as background)',
        '  19',
    ]
    assert note_balance({}, ['a'], CheckReport('tags')) == {}
