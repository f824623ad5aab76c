"""Proposals from files, merged with the seeds."""

import json

import numpy as np
import pytest
import torch

from mmwsss.apis.refine import MaskMaker, build_refiner
from mmwsss.functional.proposals import merge_proposals
from mmwsss.models.refiners import SAMRefiner
from mmwsss.utils.io import read_mask, write_cam
from mmwsss.utils.proposal_io import read_proposals
from tests.models.refiners.networks import save_sam
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


def test_prompts_are_peaks_and_boxes_of_the_maps():
    maps = cams()
    maps[0, 8, 12], maps[0, 0, 12], maps[0, 3, 2] = 0.6, 0.7, 1.0
    maps[0, 8, 0] = 0.4  # below half of the maximum
    refiner = SAMRefiner(proposals='none', most_prompts=2)
    found = [(region.box, region.peak) for region in refiner.prompts(maps)]
    assert found == [
        ((2, 6, 1, 5), (3, 2)),
        ((0, 1, 12, 13), (0, 12)),
        ((3, 5, 8, 10), (3, 8)),
    ]


def test_a_network_in_place_of_files(tmp_path, monkeypatch):
    """Its masks are merged with the seeds as those of files are."""
    network = save_sam(tmp_path / 'sam', 'sam')
    refiner = build_refiner(dict(type='sam', model=network, min_overlap=0.3))
    keys, image = torch.tensor([3, 7]), torch.zeros(3, 9, 13, dtype=torch.uint8)
    image[:, 2:6, 1:5] = 200
    seeds = refiner.seeds(cams(), (9, 13))
    masks = list(refiner.network.masks(image, refiner.prompts(cams())))
    expected = merge_proposals(torch.tensor([0, 4, 8])[seeds.argmax(0)], masks, min_overlap=0.3)
    (found,) = refiner.for_images(['a']).labels([image], [cams()], [keys], [(9, 13)])
    assert torch.equal(found, expected)
    right = torch.zeros(9, 13, dtype=torch.bool)
    right[:, 6:] = True
    monkeypatch.setattr(refiner.network, 'masks', lambda *_: iter([right]))
    (found,) = refiner.for_images(['a']).labels([image], [cams()], [keys], [(9, 13)])
    assert (found[:, 6:] == 8).all() and (found[2:6, 1:5] == 4).all()


def test_bad_input(folder, tmp_path):
    keys, image = torch.tensor([3, 7]), torch.zeros(3, 9, 13, dtype=torch.uint8)
    refiner = SAMRefiner(proposals=str(folder))
    with pytest.raises(FileNotFoundError, match='missing: no proposals'):
        refiner.for_images(['missing']).refine([image], [cams()], [keys], [(9, 13)])
    with pytest.raises(ValueError, match=r'a\.json, mask 0: its size is'):
        list(read_proposals(folder / 'a.json', (9, 14)))
    with pytest.raises(ValueError, match=r'min_cover of sam must be in \[0,1\]'):
        SAMRefiner(min_cover=1.5)
    with pytest.raises(ValueError, match='sam needs proposals=.* or model=.*, got neither'):
        SAMRefiner()
    with pytest.raises(ValueError, match='not both'):
        SAMRefiner(proposals=str(folder), model='facebook/sam-vit-base')
    with pytest.raises(ValueError, match='most_prompts of sam must be at least 1, got 0'):
        SAMRefiner(proposals=str(folder), most_prompts=0)
