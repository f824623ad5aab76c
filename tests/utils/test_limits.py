"""Bounds of what is read from files."""

import os
import socket

import pytest

from mmwsss.utils.limits import (
    check_pixels,
    check_regular_file,
    limit,
    read_bytes,
    read_text,
    read_xml,
)


def test_values_come_from_the_environment(monkeypatch):
    assert limit('MMWSSS_MAX_TEXT_MB') == 64
    monkeypatch.setenv('MMWSSS_MAX_TEXT_MB', '0.5')
    assert limit('MMWSSS_MAX_TEXT_MB') == 0.5
    for text in ('', 'many', '-1', '0', 'nan'):
        monkeypatch.setenv('MMWSSS_MAX_TEXT_MB', text)
        with pytest.raises(ValueError, match='MMWSSS_MAX_TEXT_MB=.*positive number'):
            limit('MMWSSS_MAX_TEXT_MB')


def test_only_regular_files(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / 'socket'))
    for path, kind in (
        (tmp_path, 'a folder'),
        (tmp_path / 'pipe', 'a named pipe'),
        (tmp_path / 'socket', 'a socket'),
        ('/dev/zero', 'a device'),
    ):
        with pytest.raises(ValueError, match=f'{kind}, expected a file .image.'):
            check_regular_file(path, 'image')
    server.close()
    with pytest.raises(FileNotFoundError, match='none: image not found'):
        check_regular_file(tmp_path / 'none', 'image')
    with pytest.raises(FileNotFoundError, match='image not found'):
        check_regular_file(tmp_path / 'link', 'image')
    with pytest.raises(ValueError, match='no name of a file'):
        check_regular_file('a\0b', 'image')


def test_a_sentinel_2_tile_fits(monkeypatch):
    check_pixels('a.tif', 10_980, 10_980, 'image')
    with pytest.raises(
        ValueError, match='a.tif: image of 13400x13400 .* set MMWSSS_MAX_MEGAPIXELS=180'
    ):
        check_pixels('a.tif', 13_400, 13_400, 'image')
    monkeypatch.setenv('MMWSSS_MAX_MEGAPIXELS', '180')
    check_pixels('a.tif', 13_400, 13_400, 'image')
    with pytest.raises(ValueError, match='a.tif'):
        check_pixels('a.tif', 11, 10, 'image', 100)


def test_texts(tmp_path, monkeypatch):
    path = tmp_path / 'a.txt'
    path.write_bytes('\ufeffä'.encode())
    assert read_text(path, 'list') == 'ä' and read_bytes(path, 'list')[:3] == b'\xef\xbb\xbf'
    path.write_bytes('ä'.encode('utf-16'))
    with pytest.raises(ValueError, match='a.txt: not a UTF-8 text file .*save it as UTF-8'):
        read_text(path, 'list')
    monkeypatch.setenv('MMWSSS_MAX_TEXT_MB', '0.000001')
    with pytest.raises(ValueError, match='a.txt: list of .* set MMWSSS_MAX_TEXT_MB=1'):
        read_text(path, 'list')


def test_xml(tmp_path):
    path = tmp_path / 'a.xml'
    path.write_text('<tags><tag>dog</tag></tags>')
    assert read_xml(path, 'list of tags', 'tags').findtext('tag') == 'dog'
    with pytest.raises(ValueError, match='a.xml: not a list: expected <list>, found <tags>'):
        read_xml(path, 'list', 'list')
    path.write_text('<tags>')
    with pytest.raises(ValueError, match='a.xml: not an XML file'):
        read_xml(path, 'list of tags', 'tags')
