"""Photos that become smaller copies; the rest is tested with the tool."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.photo_set import read_photo_set, write_photo_set
from mmwsss.utils.io import read_id_list, read_tags


@pytest.fixture
def photos(tmp_path):
    """A large photo on its side, a small one, and one without a row."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (('large', (60, 100)), ('small', (20, 30)), ('other', (20, 30))):
        image = Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8))
        exif = image.getexif()
        exif[0x0112] = 6 if name == 'large' else 1
        image.save(folder / f'{name}.jpg', exif=exif)
    (tmp_path / 'tags.csv').write_text('image,tags\nlarge,Dog\nsmall,cat\n')
    return folder


def test_smaller_copies(photos, tmp_path):
    report, out = CheckReport('test'), tmp_path / 'out'
    options = dict(renamed=dict(Dog='dog'), max_side=50)
    _, found = read_photo_set(tmp_path / 'tags.csv', photos, out, report, **options)
    assert not report.num_problems and found.classes == ('cat', 'dog')
    assert found.unused == (photos / 'other.jpg',)
    write_photo_set(out, found, max_side=50)
    # upright, as viewers show it
    assert Image.open(out / 'JPEGImages/large.jpg').size == (30, 50)
    assert (out / 'JPEGImages/small.jpg').is_symlink()
    assert read_tags(out / 'image_tags.csv') == {'large.jpg': ['dog'], 'small.jpg': ['cat']}
    assert read_id_list(out / 'all.txt') == ['large', 'small']
    before = (out / 'JPEGImages/large.jpg').stat().st_mtime_ns
    _, found = read_photo_set(tmp_path / 'tags.csv', photos, out, report, **options)
    write_photo_set(out, found, max_side=50)
    assert (out / 'JPEGImages/large.jpg').stat().st_mtime_ns == before and not report.num_problems
    read_photo_set(tmp_path / 'tags.csv', photos, out, report, max_side=40)
    assert 'another photo of that name is there already' in report.text()
