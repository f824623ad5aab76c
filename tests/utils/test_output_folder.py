"""A folder of results belongs to one set of settings and inputs."""

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.utils.fingerprint import digest_settings, fingerprint
from mmwsss.utils.io import read_json, write_cam, write_mask
from mmwsss.utils.output_folder import (
    claim_output_folder,
    is_finished,
    release_output_folder,
)


def claim(folder, inputs, **settings):
    claim_output_folder(
        folder, dict(settings), inputs=inputs, output=lambda name: folder / f'{name}.png'
    )


def test_inputs(tmp_path):
    claim(tmp_path, dict(a='1', b='2'), method='x')
    write_mask(tmp_path / 'a.png', np.zeros((2, 2)))
    claim(tmp_path, dict(a='1', b='2'), method='x')
    claim(tmp_path, dict(b='3', c='4'), method='x')  # b was not made yet, c is new
    assert read_json(tmp_path / 'inputs.json') == dict(a='1', b='3', c='4')
    with pytest.raises(ValueError, match=r'1 files made from other inputs .*: a; choose'):
        claim(tmp_path, dict(a='9', b='3'), method='x')
    with pytest.raises(ValueError, match=r'other settings \(method\)'):
        claim(tmp_path, dict(a='1'), method='y')
    write_mask(tmp_path / 'd.png', np.zeros((2, 2)))
    with pytest.raises(ValueError, match='1 files of unknown origin: d'):
        claim(tmp_path, dict(d='1'), method='x')
    assert read_json(tmp_path / 'inputs.json') == dict(a='1', b='3', c='4')


def test_files_of_unknown_origin_and_damaged_notes(tmp_path):
    write_mask(tmp_path / 'a.png', np.zeros((2, 2)))
    with pytest.raises(ValueError, match='unknown origin: a'):
        claim(tmp_path, dict(a='1'))
    assert not (tmp_path / 'settings.json').exists()
    (tmp_path / 'settings.json').write_text('[1]')
    with pytest.raises(ValueError, match=r'settings\.json: holds no settings'):
        claim(tmp_path, dict(a='1'))


def test_a_folder_without_results_is_released(tmp_path):
    claim_output_folder(tmp_path, dict(a=1), inputs=dict(x='1'), output=lambda n: tmp_path / n)
    assert len(list(tmp_path.iterdir())) == 2
    release_output_folder(tmp_path)
    assert not list(tmp_path.iterdir())
    release_output_folder(tmp_path)


def test_leftovers_of_a_killed_run_go(tmp_path):
    (tmp_path / 'sub').mkdir()
    (tmp_path / 'sub' / '.a.png.x1.part').touch()
    claim(tmp_path, dict(a='1'))
    assert not list(tmp_path.rglob('*.part'))


def test_finished_files(tmp_path):
    cam, mask = tmp_path / 'a.npz', tmp_path / 'a.png'
    write_cam(cam, [0], np.zeros((1, 40, 40)), (40, 40))
    write_mask(mask, np.random.default_rng(0).integers(0, 9, (40, 40)))
    for path in (cam, mask):
        whole = path.read_bytes()
        assert is_finished(path)
        for length in (0, 5, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            assert not is_finished(path), (path, length)
    assert not is_finished(tmp_path / 'none.png')


def test_fingerprints_follow_the_content(tmp_path):
    weights = dict(state_dict=dict(w=torch.arange(5.0)), meta=dict(time='now'))
    for name, content in (
        ('one.pth', weights),
        ('two.pth', dict(weights, meta=dict(time='later'))),
        ('other.pth', dict(weights, state_dict=dict(w=torch.arange(5.0) + 1))),
    ):
        torch.save(content, tmp_path / name)
    one, two, other = (fingerprint(tmp_path / f'{name}.pth') for name in ('one', 'two', 'other'))
    assert one == two != other
    for name, value in (('a', 0), ('b', 0), ('c', 1)):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'log').mkdir()
        (tmp_path / name / 'log' / 'x').write_text(name)
        (tmp_path / name / 'photo.bin').write_bytes(bytes(100_000) + bytes([value]))
    a, b, c = (fingerprint(tmp_path / name) for name in 'abc')
    assert a == b != c
    (tmp_path / 'b' / 'photo.bin').rename(tmp_path / 'b' / 'image.bin')
    assert fingerprint(tmp_path / 'b') != a
    with pytest.raises(FileNotFoundError):
        fingerprint(tmp_path / 'none')


def test_settings_without_the_weights_they_start_from():
    one = dict(type='X', init_cfg=dict(checkpoint='/a'), sizes=(1, 2))
    assert digest_settings(one) == digest_settings(dict(type='X', init_cfg=None, sizes=[1, 2]))
    assert digest_settings(one) != digest_settings(dict(one, sizes=(1, 3)))


@pytest.mark.parametrize('name', ['a.bmp', 'a.tif', 'a.png', 'a.webp'])
def test_one_pixel_makes_another_photo(name, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / name, lossless=True)
    before = fingerprint(tmp_path / name)
    pixels[60, 70] ^= 1
    Image.fromarray(pixels).save(tmp_path / name, lossless=True)
    assert fingerprint(tmp_path / name) != before
