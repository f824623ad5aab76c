"""Tags as other programs write them; whole conversions are tested with the tool."""

import json

import numpy as np
import pytest
from PIL import Image

from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.tag_readers import read_tag_source


def read(path, **options):
    """The source, and the kinds of problems that its report lists."""
    report = CheckReport('test')
    source = read_tag_source(path, report, **options)
    problems = [
        line.removeprefix('problem: ').partition(' (')[0]
        for line in report.text().splitlines()
        if line.startswith('problem: ')
    ]
    return source, problems


@pytest.mark.parametrize(
    'text, table',
    [
        ('image,tags\na.jpg,dog cat\nb.jpg,\n', {'a.jpg': ['dog', 'cat'], 'b.jpg': []}),
        ('photo;things\na;dog|cat\n', {'a': ['dog', 'cat']}),
        ('photo,label\na,traffic light\na,dog\n', {'a': ['traffic light', 'dog']}),
        ('photo\tdog\tcat\na\t1\t0\nb\tyes\tx\n', {'a': ['dog'], 'b': ['dog', 'cat']}),
    ],
)
def test_tables(text, table, tmp_path):
    (tmp_path / 'tags.csv').write_text(text)
    source, problems = read(tmp_path / 'tags.csv')
    assert source.table == table and not problems


def test_every_wrong_row_is_reported(tmp_path):
    (tmp_path / 'tags.csv').write_text('photo,dog,cat\na,1,0\na,0,1\nb,2,0\nc,1\n')
    source, problems = read(tmp_path / 'tags.csv')
    assert source.table == {'a': ['dog']} and source.classes == ('dog', 'cat')
    assert problems == ['image listed twice', 'a row that cannot be read']


def test_json_of_three_programs(tmp_path):
    plain = {'a.jpg': ['dog', 'dog'], 'b.jpg': 'cat', 'c.jpg': 3}
    mmpretrain = dict(
        metainfo=dict(classes=['dog', 'cat']),
        data_list=[
            dict(img_path='a.jpg', gt_label=[1, 0]),
            dict(img_path='b.jpg', gt_label=2),
            dict(gt_label=[0]),
        ],
    )
    coco = dict(
        images=[dict(id=1, file_name='a.jpg'), dict(id=2, file_name='b.jpg')],
        categories=[dict(id=7, name='dog'), dict(id=3, name='cat')],
        annotations=[
            dict(image_id=1, category_id=7),
            dict(image_id=1, category_id=3),
            dict(image_id=9, category_id=3),
            dict(image_id=2, category_id=5),
        ],
    )
    expected = [
        ({'a.jpg': ['dog'], 'b.jpg': ['cat']}, ['a row that cannot be read']),
        ({'a.jpg': ['cat', 'dog']}, ['label outside the 2 classes', 'a row that cannot be read']),
        (
            {'a.jpg': ['cat', 'dog'], 'b.jpg': []},
            ['annotation of a missing image', 'annotation of an unknown category'],
        ),
    ]
    for content, (table, wrong) in zip((plain, mmpretrain, coco), expected):
        (tmp_path / 'tags.json').write_text(json.dumps(content))
        source, problems = read(tmp_path / 'tags.json')
        assert source.table == table and problems == wrong, source.kind


def test_folders_of_tags(tmp_path):
    """A photo in two folders has two tags; another photo of its name is reported."""
    for folder, name, value in (
        ('dog', 'a.png', 1),
        ('cat', 'a.png', 1),
        ('untagged', 'b.png', 2),
        ('cat', 'c.png', 3),
        ('dog', 'c.png', 4),
        ('JPEGImages', 'd.png', 5),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.fromarray(np.full((4, 5, 3), value, np.uint8)).save(tmp_path / folder / name)
    source, problems = read(tmp_path)
    assert source.table == {'a.png': ['cat', 'dog'], 'b.png': [], 'c.png': ['cat']}
    assert source.classes == ('cat', 'dog') and source.files['b.png'].parent.name == 'untagged'
    assert problems == ['different photos of one name; rename one']


def test_what_is_no_source(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.csv'):
        read(tmp_path / 'none.csv')
    (tmp_path / 'tags.csv').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(ValueError, match='tags.csv: .*UTF-8'):
        read(tmp_path / 'tags.csv')
