"""Masks in every way a PNG can hold them, with and without the short way of reading them."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.utils import io
from mmwsss.utils.io import read_mask, voc_palette, write_mask

LABELS = np.random.default_rng(0).choice([0, 1, 20, 255], (13, 17)).astype(np.uint8)


def save(path, mode, **options):
    """Write the labels, those of one bit for mode '1' or ``bits=1``."""
    labels = LABELS.clip(max=1) if mode == '1' or options.get('bits') == 1 else LABELS
    image = Image.fromarray(labels).convert('1' if mode == '1' else 'L')
    if mode == 'P':
        image = Image.frombytes('P', image.size, image.tobytes())
        image.putpalette(voc_palette().tobytes())
    elif mode == 'I;16':
        image = Image.fromarray(labels.astype(np.uint16))
    elif mode == '1':
        image = Image.fromarray(labels.astype(bool))
    image.save(path, **options)
    return labels


@pytest.mark.parametrize(
    'mode, options, short',
    [
        ('P', {}, True),
        ('P', {'transparency': 0}, True),
        ('P', {'bits': 1}, False),
        ('L', {}, None),
        ('L', {'compress_level': 0}, None),
        ('1', {}, False),
        ('I;16', {}, False),
    ],
)
def test_all_kinds(mode, options, short, tmp_path):
    labels = save(tmp_path / 'a.png', mode, **options)
    np.testing.assert_array_equal(read_mask(tmp_path / 'a.png'), labels)
    if short is not None:
        assert (io._read_plain_png(tmp_path / 'a.png') is not None) == short


def test_the_short_way_is_that_of_pil(tmp_path):
    write_mask(tmp_path / 'a.png', LABELS)
    mask = io._read_plain_png(tmp_path / 'a.png')
    np.testing.assert_array_equal(mask, np.array(Image.open(tmp_path / 'a.png')))
    assert mask.dtype == np.uint8 and mask.flags.c_contiguous and mask.flags.writeable


@pytest.mark.parametrize(
    'change',
    [
        lambda data: data[:-1],
        lambda data: data[:-30],
        lambda data: data[:20],
        lambda data: data[:-20] + b'x' + data[-19:],
        lambda data: b'text',
        lambda data: b'',
    ],
)
def test_damage(change, tmp_path):
    path = tmp_path / 'a.png'
    write_mask(path, LABELS)
    path.write_bytes(change(path.read_bytes()))
    assert io._read_plain_png(path) is None
    if len(path.read_bytes()) < 200:
        with pytest.raises(ValueError, match='a.png: unreadable mask'):
            read_mask(path)


def test_class_ids(tmp_path):
    write_mask(tmp_path / 'a.png', LABELS)
    assert read_mask(tmp_path / 'a.png', 21, LABELS.shape).shape == LABELS.shape
    with pytest.raises(
        ValueError, match=r'a.png: class ids \[20\] are outside 0..19 \(255 is ignore\)'
    ):
        read_mask(tmp_path / 'a.png', 20)
    with pytest.raises(ValueError, match='mask is 17x13 .* its image is 13x17'):
        read_mask(tmp_path / 'a.png', 21, (17, 13))
    with pytest.raises(FileNotFoundError, match='b.png: mask not found'):
        read_mask(tmp_path / 'b.png')
