"""From CAM files to masks by a registered refiner."""

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.apis.refine import (
    MaskMaker,
    build_refiner,
    refiner_class,
    refiner_options,
    refiners_with,
)
from mmwsss.models.refiners import CRFRefiner, Refiner, ThresholdRefiner
from mmwsss.utils.io import read_mask, write_cam


@pytest.fixture
def job(tmp_path):
    """Id, CAM file and image; the maps are not in the order of their classes."""
    maps = np.zeros((2, 4, 6), np.float32)
    maps[0, :2], maps[1, 2:] = 0.9, 0.7
    write_cam(tmp_path / 'a.npz', [7, 2], maps)
    Image.fromarray(np.full((4, 6, 3), (250, 10, 20), np.uint8)).save(tmp_path / 'a.png')
    return 'a', tmp_path / 'a.npz', tmp_path / 'a.png'


class Recorder(Refiner):
    """Remembers what it was given, as a copy with another background too."""

    def refine(self, images, cams, tags, sizes):
        type(self).seen = images, cams, tags, sizes
        return [self.seeds(maps, size) for maps, size in zip(cams, sizes)]


def test_what_a_refiner_is_given(job, tmp_path):
    """RGB, ascending classes; and labels of the data set in the file."""
    refiner = Recorder(background=0.8)
    assert MaskMaker(tmp_path / 'out', refiner)(job) == 'a'
    (image,), (maps,), (keys,), (size,) = refiner.seen
    assert image[:, 0, 0].tolist() == [250, 10, 20] and image.dtype == torch.uint8
    assert keys.tolist() == [2, 7] and maps.shape == (2, 4, 6) and tuple(size) == (4, 6)
    assert (maps[1, :2] == 0.9).all()
    mask = read_mask(tmp_path / 'out' / 'a.png')
    assert (mask[:2] == 8).all() and not mask[2:].any()


def test_photos_are_read_as_asked(job, tmp_path):
    Image.new('RGBA', (6, 4), (9, 9, 9, 0)).save(tmp_path / 'a.png')
    refiner = Recorder(background=0.8)
    MaskMaker(tmp_path / 'out', refiner, reading=dict(alpha_color=(1, 2, 3)))(job)
    assert refiner.seen[0][0][:, 0, 0].tolist() == [1, 2, 3]


def test_errors_name_the_file(job, tmp_path):
    with pytest.raises(ValueError, match=r'a\.npz: class ids .* outside 0\.\.4'):
        MaskMaker(tmp_path / 'out', ThresholdRefiner(), num_classes=5)(job)


def test_building_by_name():
    refiner = build_refiner(dict(type='crf', preset='irn', background=0.3, uncertain=0.1))
    assert isinstance(refiner, CRFRefiner)
    assert (refiner.background, refiner.uncertain, refiner.crf.bilateral) == (0.3, 0.1, (50, 5, 10))
    assert refiner_class('mmwsss.crf') is CRFRefiner


@pytest.mark.parametrize(
    'refiner, message',
    [
        (
            dict(type='watershed'),
            "'watershed' is not a known refiner; known: .*crf.*custom_imports",
        ),
        (dict(type='crf', width=3), 'the refiner crf has no option width; options: .*preset'),
        (dict(type='psa'), '--method psa needs --config and --checkpoint'),
    ],
)
def test_what_cannot_be_built(refiner, message):
    with pytest.raises(ValueError, match=message):
        build_refiner(refiner)


def test_options_of_refiners():
    assert refiner_options(ThresholdRefiner) == dict(background=0.4, uncertain=0.0)
    assert 'network' not in refiner_options(refiner_class('psa'))

    class HandsOn(Refiner):
        def __init__(self, width=3, **options):
            super().__init__(**options)

    assert refiner_options(HandsOn) == dict(width=3, background=0.4, uncertain=0.0)
    assert refiners_with('then_crf') == ['irn', 'psa', 'superpixels']
    assert refiners_with('rule') == ['par']
