"""Proposals from files, merged with the seeds."""

import json

import numpy as np
import pytest
import torch

from mmwsss.apis.refine import MaskMaker, build_refiner
from mmwsss.models.refiners import SAMRefiner
from mmwsss.utils.io import read_mask, write_cam
from mmwsss.utils.proposal_io import read_proposals
from tests.utils.test_proposal_io import encoded


@pytest.fixture
def folder(tmp_path):
    """Proposals of the images ``a`` (JSON) and ``b`` (NPZ), 9x13 pixels."""
    left, right = np.zeros((2, 9, 13), bool)
    left[:, :6], right[:, 6:] = True, True
    (tmp_path / 'a.json').write_text(json.dumps([encoded(left), encoded(right)]))
    np.savez(tmp_path / 'b.npz', masks=np.stack([right]))
    return tmp_path


def cams():
    maps = torch.zeros(2, 9, 13)
    maps[0, 2:6, 1:5] = 0.9  # inside the left half
    maps[1, 3:5, 8:10] = 0.8  # inside the right half
    return maps


def test_labels(folder):
    refiner = SAMRefiner(proposals=str(folder))
    keys, image = torch.tensor([3, 7]), torch.zeros(3, 9, 13, dtype=torch.uint8)
    labels = refiner.for_images(['a', 'b', 'untagged']).labels(
        [image] * 3,
        [cams(), cams(), cams()[:0]],
        [keys, keys, keys[:0]],
        [(9, 13)] * 3,
    )
    expected = torch.full((9, 13), 8)
    expected[:, :6] = 4
    assert torch.equal(labels[0], expected)
    expected[:, :6] = 0
    expected[2:6, 1:5] = 4  # no proposal of b fits class 3: its seed stays
    assert torch.equal(labels[1], expected)
    assert not labels[2].any()
    assert refiner.image_ids == ()  # the refiner itself is not changed


def test_mask_files(folder, tmp_path):
    from PIL import Image

    Image.new('RGB', (13, 9)).save(tmp_path / 'a.png')
    write_cam(tmp_path / 'cam.npz', [3, 7], cams().numpy())
    refiner = build_refiner(dict(type='sam', proposals=str(folder)))
    MaskMaker(tmp_path / 'out', refiner)(('a', tmp_path / 'cam.npz', tmp_path / 'a.png'))
    assert np.unique(read_mask(tmp_path / 'out' / 'a.png')).tolist() == [4, 8]


def test_bad_input(folder, tmp_path):
    keys, image = torch.tensor([3, 7]), torch.zeros(3, 9, 13, dtype=torch.uint8)
    refiner = SAMRefiner(proposals=str(folder))
    with pytest.raises(FileNotFoundError, match='missing: no proposals'):
        refiner.for_images(['missing']).refine([image], [cams()], [keys], [(9, 13)])
    with pytest.raises(ValueError, match=r'a\.json, mask 0: its size is'):
        list(read_proposals(folder / 'a.json', (9, 14)))
    with pytest.raises(ValueError, match=r'min_cover of sam must be in \[0,1\]'):
        SAMRefiner(min_cover=1.5)
