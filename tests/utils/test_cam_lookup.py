"""CAM files and images by id."""

from pathlib import Path

import pytest

from mmwsss.utils.cam_lookup import find_cam_files


def test_every_file_or_those_of_a_list(tmp_path):
    for name in ('a.npz', 'b.npz', 'a.jpg', 'b.png'):
        (tmp_path / name).touch()
    ids, cams, images = find_cam_files(tmp_path, tmp_path)
    assert ids == ['a', 'b']
    assert [Path(file).name for file in cams] == ['a.npz', 'b.npz']
    assert [Path(file).name for file in images] == ['a.jpg', 'b.png']
    listed = tmp_path / 'list.txt'
    listed.write_text('b\n')
    assert find_cam_files(tmp_path, tmp_path, listed)[0] == ['b']


def test_what_is_missing_is_named(tmp_path):
    (tmp_path / 'a.npz').touch()
    with pytest.raises(FileNotFoundError, match='none: folder of CAM files not found; write it'):
        find_cam_files(tmp_path / 'none', tmp_path)
    with pytest.raises(FileNotFoundError, match='image'):
        find_cam_files(tmp_path, tmp_path)
    listed = tmp_path / 'list.txt'
    listed.write_text('c\n')
    with pytest.raises(FileNotFoundError, match='CAM file.*Write them with tools/generate_cams'):
        find_cam_files(tmp_path, tmp_path, listed)
