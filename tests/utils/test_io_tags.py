"""Tag tables: the ways people and programs quote a tag with blanks."""

import csv

import pytest

from mmwsss.utils.io import read_json, read_tags, write_tags

TWO = ['traffic light', 'car']


@pytest.mark.parametrize(
    'field, tags',
    [
        ('dog cat', ['dog', 'cat']),
        ('', []),
        ('  ', []),
        ('""', []),
        ('"traffic light" car', TWO),
        ('car "traffic light"', TWO[::-1]),
        ('"traffic light"', TWO[:1]),
        ('"traffic light" "fire hydrant"', ['traffic light', 'fire hydrant']),
        ('"""traffic light"" car"', TWO),
        ('"""traffic light"""', TWO[:1]),
        ('traffic light;car', TWO),
        ('traffic light; car', TWO),
        ('traffic light;', TWO[:1]),
        ('"traffic light";car', TWO),
        ('"traffic light;car"', TWO),
        ('"salt, pepper" car', ['salt, pepper', 'car']),
    ],
)
def test_quoted_tags(tmp_path, field, tags):
    file = tmp_path / 'tags.csv'
    file.write_text(f'image,tags\nimg,{field}\nother,dog\n')
    assert read_tags(file) == {'img': tags, 'other': ['dog']}


def test_a_quoted_header_means_that_every_field_is_quoted(tmp_path):
    file = tmp_path / 'tags.csv'
    file.write_text(
        '"image","tags"\n"a","dog cat"\n"b","""traffic light"" car"\n"c","traffic '
        'light;car"\n"d",""\n'
    )
    assert read_tags(file) == {'a': ['dog', 'cat'], 'b': TWO, 'c': TWO, 'd': []}


@pytest.mark.parametrize('quoting', [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_files_of_a_csv_writer(tmp_path, quoting):
    file = tmp_path / 'tags.csv'
    with open(file, 'w', newline='') as stream:
        writer = csv.writer(stream, quoting=quoting)
        writer.writerows(
            [['image', 'tags'], ['a,b', '"traffic light" car'], ['c', 'dog cat'], ['d', '']]
        )
    assert read_tags(file) == {'a,b': TWO, 'c': ['dog', 'cat'], 'd': []}


def test_windows_line_ends_byte_order_mark_and_blank_lines(tmp_path):
    file = tmp_path / 'tags.csv'
    file.write_bytes('\ufeffimage,tags\r\na,dog cat\r\n\r\nb,dog\r\n'.encode())
    assert read_tags(file) == {'a': ['dog', 'cat'], 'b': ['dog']}


@pytest.mark.parametrize(
    'text, message',
    [
        ('a,dog\n', 'line 1: expected the header'),
        ('', 'line 1: expected the header'),
        ('image;tags\na;dog\n', 'line 1: expected the header'),
        ('image,tags\na\n', 'line 2: expected 2 fields'),
        ('image,tags\na,dog\n,dog\n', 'line 3: expected 2 fields'),
        ('image,tags\na,dog,cat\n', "line 2: .*'dog,cat'"),
        ('image,tags\na,"dog cat\n', 'line 2: .*unpaired quote'),
        ('image,tags\na,dog\n\na,cat\n', "line 4: image 'a' is listed twice .first in line 2"),
    ],
)
def test_bad_tables_name_file_and_line(tmp_path, text, message):
    file = tmp_path / 'tags.csv'
    file.write_text(text)
    with pytest.raises(ValueError, match=f'tags.csv, {message}'):
        read_tags(file)


def test_other_encodings_are_refused_by_name(tmp_path):
    file = tmp_path / 'tags.csv'
    file.write_bytes('image,tags\na,caf\u00e9\n'.encode('latin-1'))
    with pytest.raises(ValueError, match='tags.csv: not a UTF-8'):
        read_tags(file)


def test_written_tags_are_read_back(tmp_path):
    tags = {
        'a': ['dog', 'cat'],
        'b': ['traffic light'],
        'c': ['traffic light', 'car'],
        'd': [],
        'e,f': ['salt,pepper'],
        'g': ['salt,pepper', 'x'],
    }
    write_tags(tmp_path / 'tags.csv', tags)
    assert read_tags(tmp_path / 'tags.csv') == tags
    with pytest.raises(ValueError, match="'a;b'"):
        write_tags(tmp_path / 'tags.csv', {'a': ['a;b']})


def test_json(tmp_path):
    file = tmp_path / 'tags.json'
    file.write_text('{"a": ["traffic light"], "b": []}')
    assert read_tags(file) == {'a': ['traffic light'], 'b': []}
    file.write_text('["a"]')
    with pytest.raises(ValueError, match='tags.json'):
        read_tags(file)


def test_an_image_twice_in_json_is_named(tmp_path):
    file = tmp_path / 'tags.json'
    file.write_text('{"a": ["dog"], "b": [], "a": ["cat"]}')
    with pytest.raises(ValueError, match="tags.json: image 'a' is listed twice"):
        read_tags(file)
    repeated = []
    assert read_json(file) == read_json(file, repeated) == {'a': ['cat'], 'b': []} and repeated == [
        'a'
    ]
    file.write_text('{"a": [{"x": 1, "y": 2, "x": 3}]}')
    assert read_json(file, repeated) == {'a': [{'x': 3, 'y': 2}]} and repeated == ['a', 'x']
