"""Photos that become smaller copies; the rest is tested with the tool."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.photo_set import read_photo_set, stored_name, write_photo_set
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


def test_gif_and_heic_become_copies(tmp_path):
    folder, out, report = tmp_path / 'photos', tmp_path / 'out', CheckReport('test')
    folder.mkdir()
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20] = (200, 10, 30)
    first, second = Image.fromarray(pixels), Image.fromarray(pixels[::-1].copy())
    first.save(folder / 'a.gif', save_all=True, append_images=[second])
    second.save(folder / 'b.png')
    (tmp_path / 'tags.csv').write_text('image,tags\na,cat\nb.png,dog\n')
    for max_side in (None, None, 30):
        _, found = read_photo_set(tmp_path / 'tags.csv', folder, out, report, max_side=max_side)
        if max_side is None:
            write_photo_set(out, found)
    assert 'animated images (their first picture is read)' in report.text()
    assert 'another photo of that name is there already' in report.text()  # of another size
    assert report.num_problems == 2
    copy = Image.open(out / 'JPEGImages' / 'a.png')
    assert copy.format == 'PNG' and (np.asarray(copy) == pixels).all()
    assert read_tags(out / 'image_tags.csv') == {'a.png': ['cat'], 'b.png': ['dog']}
    assert stored_name('trip/IMG_1.HEIC') == 'trip/IMG_1.jpg' and stored_name('a.jpg') == 'a.jpg'


def test_heic_photos(tmp_path):
    pytest.importorskip('pillow_heif').register_heif_opener()
    folder, out, report = tmp_path / 'photos', tmp_path / 'out', CheckReport('test')
    folder.mkdir()
    pixels = np.full((40, 60, 3), (200, 10, 30), np.uint8)
    for name in ('IMG_1.HEIC', 'IMG_2.HEIC'):
        Image.fromarray(pixels).save(folder / name)
    (tmp_path / 'tags.csv').write_text('image,tags\nIMG_1.HEIC,cat\nIMG_2,dog\n')
    _, found = read_photo_set(tmp_path / 'tags.csv', folder, out, report, max_side=30)
    assert not report.num_problems, report.text()
    write_photo_set(out, found, max_side=30)
    copy = Image.open(out / 'JPEGImages' / 'IMG_1.jpg')
    assert copy.format == 'JPEG' and copy.size == (30, 20)
    assert read_id_list(out / 'all.txt') == ['IMG_1', 'IMG_2']


def test_a_heic_photo_beside_its_jpeg(tmp_path):
    folder, report = tmp_path / 'photos', CheckReport('test')
    folder.mkdir()
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(folder / 'a.jpg')
    (folder / 'a.heic').write_bytes(b'')
    (tmp_path / 'tags.csv').write_text('image,tags\na,cat\n')
    read_photo_set(tmp_path / 'tags.csv', folder, tmp_path / 'out', report)
    assert 'row that fits several photos; write the extension' in report.text()


def test_names_with_accents_of_macos(tmp_path):
    folder, report = tmp_path / 'photos', CheckReport('test')
    folder.mkdir()
    stored = unicodedata.normalize('NFD', 'Möwe.png')
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(folder / stored)
    (tmp_path / 'tags.csv').write_bytes('image;tags\nMöwe.png;Vögel\n'.encode('cp1252'))
    _, found = read_photo_set(tmp_path / 'tags.csv', folder, tmp_path / 'out', report)
    assert found.table == {stored: ['Vögel']} and not report.num_problems


def test_splits_are_kept(tmp_path):
    folder, out, report = tmp_path / 'photos', tmp_path / 'out', CheckReport('test')
    rng = np.random.default_rng(0)
    for place in ('train/dog', 'train/cat', 'valid/dog'):
        (folder / place).mkdir(parents=True)
        image = Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8))
        image.save(folder / place / f'{place[-3:]}_1.png')
    _, found = read_photo_set(folder, folder, out, report)
    write_photo_set(out, found)
    assert read_id_list(out / 'train.txt') == ['train/cat_1', 'train/dog_1']
    assert read_id_list(out / 'val.txt') == ['valid/dog_1']
    assert len(read_id_list(out / 'all.txt')) == 3 and found.classes == ('cat', 'dog')
    assert read_tags(out / 'image_tags.csv')['valid/dog_1.png'] == ['dog']
