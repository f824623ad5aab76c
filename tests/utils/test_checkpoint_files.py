"""Which checkpoint a run goes on from, and whether it is whole."""

import os
from pathlib import Path

import pytest
import torch

from mmwsss.utils.checkpoint_files import (
    archive_damage,
    check_checkpoint,
    is_whole,
    newest_checkpoint,
    pointed_checkpoint,
)
from mmwsss.utils.compat import load_weights_only


def save(folder, name, value, *, age=0):
    """A small checkpoint, ``age`` seconds older than the others."""
    path = Path(folder) / name
    torch.save(dict(state_dict=dict(w=torch.full((64,), float(value)))), path)
    moment = 2_000_000_000 - age
    os.utime(path, (moment, moment))
    return path


def point(folder, text):
    (Path(folder) / 'last_checkpoint').write_text(str(text))


def damage(path, data):
    """Another content with the time of the old one."""
    moment = path.stat().st_mtime
    path.write_bytes(data)
    os.utime(path, (moment, moment))


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    damage(path, data)


def test_the_pointed_one(tmp_path):
    older, newer = save(tmp_path, 'epoch_1.pth', 1, age=9), save(tmp_path, 'epoch_2.pth', 2, age=5)
    point(tmp_path, newer)
    assert newest_checkpoint(tmp_path) == (str(newer), [])
    point(tmp_path, older)  # killed before the pointer was moved
    assert newest_checkpoint(tmp_path) == (str(newer), [])
    save(tmp_path, 'epoch_8.pth', 8, age=99)  # of an earlier training in the same folder
    point(tmp_path, newer)
    assert newest_checkpoint(tmp_path) == (str(newer), [])
    save(tmp_path, 'best_seg_mIoU_epoch_9.pth', 9)
    assert newest_checkpoint(tmp_path)[0] == str(newer)


@pytest.mark.parametrize('content', [None, '', 'epoch_7.pth', 'a\nb', '\0', '/gone/epoch_2.pth'])
def test_pointers_that_lead_nowhere(tmp_path, content):
    path = save(tmp_path, 'epoch_2.pth', 2)
    save(tmp_path, 'epoch_1.pth', 1, age=9)
    if content is not None:
        point(tmp_path, content)
    assert newest_checkpoint(tmp_path)[0] == str(path)


def test_a_moved_folder_is_one_of_its_own(tmp_path):
    (tmp_path / 'old').mkdir()
    (tmp_path / 'new').mkdir()
    old, new = save(tmp_path / 'old', 'iter_5.pth', 1), save(tmp_path / 'new', 'iter_5.pth', 2)
    point(tmp_path / 'new', old)
    assert pointed_checkpoint(tmp_path / 'new') == new
    new.unlink()
    assert pointed_checkpoint(tmp_path / 'new') == old  # `out_dir` of the hook lies elsewhere


def test_damaged_ones_are_passed_over_and_named(tmp_path):
    paths = [save(tmp_path, f'epoch_{n}.pth', n, age=10 - n) for n in (1, 2, 3, 4)]
    point(tmp_path, paths[3])
    damage(paths[3], paths[3].read_bytes()[:-200])
    damage(paths[2], b'')
    content = paths[1].read_bytes()
    flip(paths[1], content.index(torch.full((4,), 2.0).numpy().tobytes()))
    found, notes = newest_checkpoint(tmp_path)
    assert found == str(paths[0])
    assert [str(path) in note for path, note in zip((*paths[:0:-1], paths[0]), notes)] == [True] * 4
    paths[0].unlink()
    assert newest_checkpoint(tmp_path)[0] is None
    assert newest_checkpoint(tmp_path / 'none') == (None, [])


def test_every_flipped_bit_of_the_weights_is_found(tmp_path):
    path = save(tmp_path, 'epoch_1.pth', 1)
    whole = path.read_bytes()
    start = whole.index(torch.ones(8).numpy().tobytes())
    assert archive_damage(path) is None and is_whole(path)
    for position in range(start, start + 256, 37):
        path.write_bytes(whole)
        flip(path, position)
        assert 'checksum' in archive_damage(path) and not is_whole(path)
        with pytest.raises(ValueError, match=f'{path}: not a checkpoint, or a damaged one'):
            load_weights_only(path)
    for length in (0, 3, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert not is_whole(path)
        with pytest.raises(ValueError, match=str(path)):
            load_weights_only(path)


def test_the_older_format_has_no_checksums(tmp_path):
    path = tmp_path / 'old.pth'
    torch.save(dict(w=torch.ones(3)), path, _use_new_zipfile_serialization=False)
    assert archive_damage(path) is None
    assert torch.equal(load_weights_only(path)['w'], torch.ones(3))


def test_what_cannot_be_a_checkpoint_is_refused_by_its_kind(tmp_path):
    check_checkpoint(save(tmp_path, 'good.pth', 1))
    check_checkpoint('https://example.org/epoch_4.pth')  # whoever fetches it looks
    with pytest.raises(FileNotFoundError, match='gone.pth: checkpoint not found'):
        check_checkpoint(tmp_path / 'gone.pth')
    os.mkfifo(tmp_path / 'pipe.pth')
    (tmp_path / 'empty.pth').touch()
    weights = save(tmp_path, 'flipped.pth', 1)
    flip(weights, weights.read_bytes().index(b'\0\0\x80?'))
    for name, reason in (
        ('pipe', 'a named pipe, expected a file'),
        ('empty', 'the file is empty'),
        ('flipped', 'fetch it again, or go on from another one'),
    ):
        with pytest.raises(ValueError, match=f'{name}.pth: .*{reason}'):
            check_checkpoint(tmp_path / f'{name}.pth')
