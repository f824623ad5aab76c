"""Submissions to the VOC server."""

import tarfile

import numpy as np
import pytest
from PIL import Image

from mmwsss.engine.voc_submission import (
    ARCHIVE,
    SUBMISSION_FOLDER,
    pack_submission,
    submission_metric,
)
from mmwsss.utils.io import voc_palette, write_mask


@pytest.fixture
def images(tmp_path):
    """Three images and their masks."""
    for number, name in enumerate('abc'):
        Image.fromarray(np.zeros((4, 5 + number, 3), np.uint8)).save(tmp_path / f'{name}.jpg')
        write_mask(
            tmp_path / 'out' / SUBMISSION_FOLDER / f'{name}.png',
            np.full((4, 5 + number), 20 - number),
        )
    return {name: str(tmp_path / f'{name}.jpg') for name in 'abc'}


def test_archive(images, tmp_path):
    archive = pack_submission(tmp_path / 'out', images)
    assert (
        archive == tmp_path / 'out' / ARCHIVE
        and SUBMISSION_FOLDER == 'results/VOC2012/Segmentation/comp6_test_cls'
    )
    content = archive.read_bytes()
    with tarfile.open(archive) as tar:
        assert tar.getnames() == [f'{SUBMISSION_FOLDER}/{name}.png' for name in 'abc']
        for number, member in enumerate(tar.getmembers()):
            with Image.open(tar.extractfile(member)) as mask:
                assert (
                    mask.mode == 'P'
                    and mask.size == (5 + number, 4)
                    and (np.asarray(mask) == 20 - number).all()
                )
                assert mask.getpalette()[:63] == voc_palette(21).ravel().tolist()
            assert (member.uid, member.uname, member.mtime) == (0, '', 0)
    (tmp_path / 'out' / SUBMISSION_FOLDER / 'b.png').touch()
    assert pack_submission(tmp_path / 'out', images).read_bytes() == content
    assert submission_metric('out')['output_dir'] == f'out/{SUBMISSION_FOLDER}'


def test_every_problem_is_named(images, tmp_path):
    folder = tmp_path / 'out' / SUBMISSION_FOLDER
    write_mask(folder / 'a.png', np.full((4, 5), 255))
    write_mask(folder / 'b.png', np.zeros((5, 4)))
    Image.fromarray(np.zeros((4, 7), np.uint8)).save(folder / 'c.png')
    write_mask(folder / 'other.png', np.zeros((4, 5)))
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(folder / 'd.png')
    with pytest.raises(ValueError) as caught:
        pack_submission(tmp_path / 'out', dict(images, missing='missing.jpg', d=images['a']))
    message = str(caught.value)
    for part in (
        'missing: no mask',
        'other.png: not in the list',
        'a.png: holds the value 255, allowed is 0..20',
        'b.png: 4x5 (width x height), its image is 6x4',
        'c.png: L image, not an 8-bit palette',
        'd.png: a mask holds one class id',
    ):
        assert part in message, message
    assert not (tmp_path / 'out' / ARCHIVE).exists()
    with pytest.raises(ValueError, match=r'x19: no mask.*and 5 more'):
        pack_submission(tmp_path / 'out', {f'x{number}': '' for number in range(20)})
