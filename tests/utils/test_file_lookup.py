"""Files of image ids."""

import os

import pytest

from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, find_files, image_id, list_image_ids


@pytest.mark.parametrize(
    'name, expected',
    [('a', 'a'), ('a.jpg', 'a'), ('x/a.JPEG', 'x/a'), ('10.5', '10.5'), ('a.tga', 'a.tga')],
)
def test_image_id(name, expected):
    assert image_id(name) == expected


def test_own_suffixes():
    assert image_id('a.tga', ('.tga',)) == 'a'


def test_one_listing_per_folder(tmp_path, monkeypatch):
    (tmp_path / 'x').mkdir()
    names = [f'{folder}{number}' for folder in ('', 'x/') for number in range(50)]
    for name in names:
        (tmp_path / f'{name}.jpg').touch()
    calls = []
    listdir = os.listdir
    monkeypatch.setattr(os, 'listdir', lambda path: calls.append(path) or listdir(path))
    assert find_files(tmp_path, names, ('.jpg',), what='image') == [
        str(tmp_path / f'{name}.jpg') for name in names
    ]
    assert len(calls) == 2


def test_an_id_needs_a_file_of_its_own(tmp_path):
    (tmp_path / 'a').touch()
    (tmp_path / 'ab.jpg').touch()
    with pytest.raises(FileNotFoundError, match='1 of 1 image files .*: a. Get it'):
        find_files(tmp_path, ['a'], ('.jpg',), what='image', hint='Get it')
    with pytest.raises(FileNotFoundError, match=': x/ab'):
        find_files(tmp_path, ['x/ab'], ('.jpg',), what='image')


def test_list(tmp_path):
    for name in ('b.jpg', 'a.PNG', 'notes.txt'):
        (tmp_path / name).touch()
    assert list_image_ids(tmp_path, ('.jpg', '.png'), what='image') == ['a', 'b']
    (tmp_path / 'trip' / 'north').mkdir(parents=True)
    for name in ('trip/d.JPG', 'trip/north/e.webp'):
        (tmp_path / name).touch()
    ids = list_image_ids(tmp_path, IMAGE_SUFFIXES, what='image')
    assert ids == sorted(ids) and {'a', 'b', 'trip/d', 'trip/north/e'} <= set(ids)
    assert find_files(tmp_path, ['trip/north/e'], IMAGE_SUFFIXES, what='image') == [
        str(tmp_path / 'trip/north/e.webp')
    ]
