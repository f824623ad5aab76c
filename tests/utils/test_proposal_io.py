"""Proposal files of both kinds, and what is wrong with others."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_masks

from mmwsss.utils.proposal_io import find_proposals, read_proposals

SIZE = (9, 13)


def masks():
    return np.random.default_rng(0).random((4, *SIZE)) > 0.6


def encoded(mask):
    rle = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    return dict(size=list(SIZE), counts=rle['counts'].decode())


def uncompressed(mask):
    flat = mask.T.ravel().astype(int)
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return dict(size=list(SIZE), counts=counts if not flat[0] else [0, *counts])


@pytest.mark.parametrize('encode', [encoded, uncompressed])
@pytest.mark.parametrize('wrap', [lambda rle: rle, lambda rle: dict(segmentation=rle, area=3)])
def test_json(encode, wrap, tmp_path):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps([wrap(encode(mask)) for mask in masks()]))
    found = list(read_proposals(path, SIZE))
    assert len(found) == 4 and all(map(np.array_equal, found, masks()))


def test_npz(tmp_path):
    np.savez(tmp_path / 'a.npz', masks=masks())
    assert np.array_equal(list(read_proposals(tmp_path / 'a.npz', SIZE)), masks())
    np.savez(tmp_path / 'none.npz', masks=masks()[:0])
    assert list(read_proposals(tmp_path / 'none.npz', SIZE)) == []


def test_files_are_found(tmp_path):
    (tmp_path / 'trip').mkdir()
    (tmp_path / 'trip' / 'a.json').write_text('[]')
    assert find_proposals(tmp_path, 'trip/a') == tmp_path / 'trip' / 'a.json'
    with pytest.raises(FileNotFoundError, match='b: no proposals; expected'):
        find_proposals(tmp_path, 'b')
    with pytest.raises(ValueError, match=r'\.\.'):
        find_proposals(tmp_path, '../a')


@pytest.mark.parametrize(
    'content, message',
    [
        ('{}', 'expected a list of masks'),
        ('[3]', 'mask 0: expected run lengths'),
        ('[{"size": [2, 2], "counts": [4]}]', r'its size is \[2, 2\], that of the image'),
        ('[{"size": [9, 13], "counts": [4]}]', 'do not add up to 9 x 13 pixels'),
        ('[{"size": [9, 13], "counts": [-1, 118]}]', 'do not add up'),
        ('nothing', 'not a JSON file'),
    ],
)
def test_bad_json(content, message, tmp_path):
    path = tmp_path / 'a.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        list(read_proposals(path, SIZE))
    assert str(path) in str(error.value)


def test_bad_npz(tmp_path):
    (tmp_path / 'a.npz').write_bytes(b'PK nothing')
    with pytest.raises(ValueError, match=r'a\.npz: damaged proposal file'):
        list(read_proposals(tmp_path / 'a.npz', SIZE))
    np.savez(tmp_path / 'b.npz', masks=masks()[:, :3])
    with pytest.raises(ValueError, match=r'b\.npz: masks of shape \(4, 3, 13\)'):
        list(read_proposals(tmp_path / 'b.npz', SIZE))
