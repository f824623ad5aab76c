"""Masks of images that are refined together: those of one image after the other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.apis.mask_batches import MaskBatches
from mmwsss.apis.refine import MaskMaker
from mmwsss.models.refiners import CRFRefiner, PARRefiner, Refiner, ThresholdRefiner
from mmwsss.utils.io import read_mask, write_cam

SIZES = [(18, 24), (24, 18), (18, 24), (18, 24), (18, 24), (24, 18)]
CLASSES = [[3], [1, 4, 7], [2, 5], [], [0, 1, 2], [6]]


@pytest.fixture
def jobs(tmp_path: Path) -> list[tuple[str, Path, Path]]:
    """Smooth images of two sizes, with no class to three classes."""
    rng = np.random.default_rng(0)
    result = []
    for number, (size, classes) in enumerate(zip(SIZES, CLASSES)):
        coarse = Image.fromarray(rng.integers(0, 256, (3, 4, 3), np.uint8))
        photo, cams = tmp_path / f'{number}.png', tmp_path / f'{number}.npz'
        coarse.resize(size[::-1], Image.Resampling.BICUBIC).save(photo)
        maps = [
            np.asarray(coarse.getchannel(plane).resize(size[::-1]), np.float32) / 255
            for plane in range(len(classes))
        ]
        write_cam(cams, classes, np.reshape(maps, (len(classes), *size)).astype(np.float32), size)
        result.append((str(number), cams, photo))
    return result


class Noted(ThresholdRefiner):
    """Notes how many images it gets, and has memory for ``room`` of them."""

    def __init__(self, room: int = 100) -> None:
        super().__init__()
        self.room, self.batches = room, []

    def refine(self, images, cams, tags, sizes):
        if len(images) > self.room:
            raise torch.OutOfMemoryError('too many images')
        self.batches.append(len(images))
        return super().refine(images, cams, tags, sizes)


def masks(out: Path, refiner: Refiner, jobs: list, batch_size: int | None) -> dict:
    names = list(MaskBatches(MaskMaker(out, refiner), batch_size)(jobs))
    assert sorted(names) == [job[0] for job in jobs]
    return {name: read_mask(out / f'{name}.png') for name in names}


@pytest.mark.parametrize(
    'refiner',
    [
        ThresholdRefiner(uncertain=0.1),
        PARRefiner(dilations=(1, 2), num_iters=3),
        PARRefiner('eq16', dilations=(1, 2), num_iters=3),
        PARRefiner('argmax', dilations=(1, 2), num_iters=3),
        CRFRefiner(backend='torch', uncertain=0.1),
        CRFRefiner('irn', backend='torch', prune=0.1),
    ],
    ids=lambda refiner: f'{type(refiner).__name__}-{getattr(refiner, "rule", "")}',
)
def test_masks_are_those_of_one_image_after_the_other(refiner, jobs, tmp_path) -> None:
    alone = {name: MaskMaker(tmp_path / 'alone', refiner)((name, *files)) for name, *files in jobs}
    together = masks(tmp_path / 'together', refiner, jobs, 3)
    for name in alone:
        expected = read_mask(tmp_path / 'alone' / f'{name}.png')
        np.testing.assert_array_equal(together[name], expected)
        assert expected.any() == bool(CLASSES[int(name)])


def test_only_exact_sizes_meet(jobs, tmp_path) -> None:
    refiner = Noted()
    masks(tmp_path / 'out', refiner, jobs, 4)
    assert sorted(refiner.batches) == [2, 3]  # the image without a class is not refined
    refiner = Noted()
    masks(tmp_path / 'one', refiner, jobs, None)
    assert refiner.batches == [1] * 5


def test_a_batch_that_does_not_fit_is_halved(jobs, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, 'empty_cache', lambda: None)
    refiner = Noted(room=2)
    batches = MaskBatches(MaskMaker(tmp_path / 'out', refiner), 4)
    assert len(list(batches(jobs))) == len(jobs)
    assert max(refiner.batches) == 2 and batches.batch_size == 2


def test_errors_name_the_file(jobs, tmp_path) -> None:
    jobs[2][1].write_bytes(b'broken')
    with pytest.raises(ValueError, match=r'2\.npz'):
        masks(tmp_path / 'out', ThresholdRefiner(), jobs, 2)
    with pytest.raises(ValueError, match='one image or more, got a batch size of 0'):
        MaskBatches(MaskMaker(tmp_path / 'out', ThresholdRefiner()), 0)
