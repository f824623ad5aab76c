"""Photos and tags in every form that a program has them in."""

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.apis.photo_inputs import gather_photos, tags_of_photos
from mmwsss.utils.image_io import image_to_bgr, read_image


@pytest.fixture
def bgr():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


@pytest.fixture
def folder(tmp_path, bgr):
    """Photos a.png and below/b.PNG, and files that are none."""
    (tmp_path / 'below').mkdir()
    for name in ('a.png', 'below/b.PNG', '.hidden.png'):
        Image.fromarray(bgr[..., ::-1]).save(tmp_path / name, 'PNG')
    (tmp_path / 'notes.txt').write_text('x')
    return tmp_path


def pixels(photo, **options):
    (found,), single = gather_photos(photo, **options)
    assert single
    return found.read()


def test_every_form_has_the_same_pixels(bgr, folder):
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    tensor = torch.from_numpy(rgb).permute(2, 0, 1)
    forms = [
        (folder / 'a.png', {}),
        (str(folder / 'a.png'), {}),
        (Image.open(folder / 'a.png'), {}),
        (Image.fromarray(rgb), {}),
        (Image.fromarray(rgb), dict(rgb=False)),
        (bgr, {}),
        (rgb, dict(rgb=True)),
        (bgr.astype(np.float32) / 255, {}),
        (tensor, {}),
        (tensor.flip(0), dict(rgb=False)),
        (tensor.double() / 255, {}),
    ]
    for form, options in forms:
        np.testing.assert_array_equal(pixels(form, **options), bgr)


def test_grey_and_transparent(bgr):
    grey = bgr[..., 0]
    expected = np.repeat(grey[..., None], 3, 2)
    for form in (grey, grey[..., None], torch.from_numpy(grey), torch.from_numpy(grey)[None]):
        np.testing.assert_array_equal(pixels(form), expected)
    np.testing.assert_array_equal(pixels(Image.fromarray(grey)), expected)
    clear = Image.fromarray(np.zeros((2, 3, 4), np.uint8), 'RGBA')
    assert (pixels(clear) == 255).all()
    deep = Image.fromarray(np.linspace(0, 4000, 48, dtype=np.uint16).reshape(6, 8))
    assert image_to_bgr(deep).min() == 0 and image_to_bgr(deep).max() == 255


def test_pil_images_stay_as_they_lie(bgr, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(bgr).save(tmp_path / 'a.png', exif=exif)
    with Image.open(tmp_path / 'a.png') as image:
        assert pixels(image).shape == (6, 8, 3)
    assert read_image(tmp_path / 'a.png').shape == (8, 6, 3)


def test_several(bgr, folder):
    def names(photos):
        found, single = gather_photos(photos)
        assert not single
        return [photo.name for photo in found]

    assert names(folder) == ['a', 'below/b']
    assert names(folder / '*.png') == names(str(folder / '*.png')) == ['a']
    assert names(str(folder / '**' / '*.*')) == ['a', 'b']
    assert names([bgr, folder, Image.fromarray(bgr)]) == ['image_0', 'a', 'below/b', 'image_3']
    assert names(np.stack([bgr, bgr])) == names(torch.zeros(2, 3, 4, 4)) == ['image_0', 'image_1']
    assert names(entry for entry in [folder / 'a.png']) == ['a']
    assert names([]) == []
    (folder / '[x].png').write_bytes((folder / 'a.png').read_bytes())
    assert gather_photos(folder / '[x].png')[1]


def test_refused(bgr, folder):
    wrong = [
        ('https://example.org/a.jpg', 'https://example.org/a.jpg: photos are not downloaded'),
        (bgr.astype(np.float32), 'floats in .0,1., got float32 from'),
        (np.full((2, 2, 3), np.nan), 'floats in'),
        (bgr.astype(np.uint16), 'uint16'),
        (np.zeros((4, 4, 4), np.uint8), 'uint8 BGR'),
        (np.zeros(4, np.uint8), 'uint8 BGR'),
        (7, 'a photo is a file.*got int'),
        ([None], 'got NoneType'),
    ]
    for photo, message in wrong:
        with pytest.raises(ValueError, match=message):
            gather_photos(photo)
    (folder / 'empty').mkdir()
    for missing in (folder / 'empty', folder / '*.gif'):
        with pytest.raises(FileNotFoundError, match='no photo'):
            gather_photos(missing)
    file = folder / 'cut.png'
    file.write_bytes((folder / 'a.png').read_bytes()[:-30])
    with pytest.raises(ValueError, match='unreadable image'):
        gather_photos(Image.open(file))


def test_tags():
    photos, _ = gather_photos([np.zeros((2, 2, 3), np.uint8)] * 2)
    one, _ = gather_photos(np.zeros((2, 2, 3), np.uint8))
    assert tags_of_photos(None, photos, False) is None
    for tags, expected in (
        ('flower', [['flower']] * 2),
        (3, [[3]] * 2),
        (['a', 2], [['a', 2]] * 2),
        ([], [[]] * 2),
        ([['a'], []], [['a'], []]),
        ([('a', 'b'), np.array([1])], [['a', 'b'], [1]]),
        (torch.tensor([0, 1]), [[0, 1]] * 2),
        (dict(image_1='b', image_0=[]), [[], ['b']]),
    ):
        assert tags_of_photos(tags, photos, False) == expected
    assert tags_of_photos({'x', 'y'}, photos, False)[0] in (['x', 'y'], ['y', 'x'])
    assert tags_of_photos('flower', one, True) == [['flower']]
    assert tags_of_photos(np.int64(2), one, True) == [[2]]
    for tags, message in (
        ([['a']], '1 photos for 2'),
        ([['a'], None], 'one list for all photos'),
        ([['a'], 'b'], 'one list for all photos'),
        (dict(image_0='a'), '1 of 2 photos have no entry'),
    ):
        with pytest.raises(ValueError, match=message):
            tags_of_photos(tags, photos, False)
    with pytest.raises(ValueError, match='one list for all photos'):
        tags_of_photos([['a']], one, True)
