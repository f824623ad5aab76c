"""Toy shapes: fixed by the seed, complete, resumable, and what it promises about its images."""

import hashlib

import numpy as np
import pytest

from mmwsss.datasets import ImageTagDataset
from mmwsss.preparation.toy_shapes import (
    BOAT,
    TOY_CLASS_NAMES,
    TOY_CLASSES,
    ToyDifficulty,
    render_toy_image,
    write_toy_shapes,
)
from mmwsss.utils.io import read_id_list, read_mask, read_tags

COUNTS = {'train': 40, 'val': 5, 'test': 3}


def digest(root):
    """Name and content of all files."""
    files = [path for path in sorted(root.rglob('*')) if path.is_file()]
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


@pytest.fixture(scope='module')
def toy(tmp_path_factory):
    root = tmp_path_factory.mktemp('toy') / 'set'
    assert write_toy_shapes(root, **COUNTS, size=(96, 128), workers=1)
    return root


@pytest.fixture(scope='module')
def many():
    """300 rendered images and masks."""
    return [
        render_toy_image(np.random.default_rng((1, index)), height=64, width=72)
        for index in range(300)
    ]


def test_the_number_of_workers_does_not_matter(toy, tmp_path):
    assert write_toy_shapes(tmp_path / 'set', **COUNTS, size=(96, 128), workers=2)
    assert digest(tmp_path / 'set') == digest(toy)


def test_seed_and_number_of_images(toy, tmp_path):
    write_toy_shapes(tmp_path / 'fewer', train=3, val=2, test=0, workers=1)
    first = digest(toy)
    images = {
        name: value
        for name, value in digest(tmp_path / 'fewer').items()
        if name.endswith(('.jpg', '.png'))
    }
    assert len(images) == 10 and all(first[name] == value for name, value in images.items())
    assert not (tmp_path / 'fewer' / 'ImageSets' / 'Segmentation' / 'test.txt').exists()
    write_toy_shapes(tmp_path / 'other', train=3, val=2, test=0, seed=1, workers=1)
    assert all(
        first[name] != value
        for name, value in digest(tmp_path / 'other').items()
        if name.endswith(('.jpg', '.png'))
    )


def test_layout_and_content(toy):
    tags = read_tags(toy / 'image_tags.csv')
    shapes = set()
    for split, count in COUNTS.items():
        ids = read_id_list(toy / 'ImageSets' / 'Segmentation' / f'{split}.txt')
        assert len(ids) == count
        for name in ids:
            mask = read_mask(toy / 'SegmentationClass' / f'{name}.png', len(TOY_CLASS_NAMES))
            assert sorted(tags[name]) == sorted(
                TOY_CLASS_NAMES[value] for value in np.unique(mask) if value
            )
            shapes.add(mask.shape)
    assert any(height != width for height, width in shapes)
    assert all(96 <= side <= 128 and side % 8 == 0 for shape in shapes for side in shape)
    assert not list(toy.rglob('*.part')) and not (toy / 'toy_shapes.partial.json').exists()
    data = ImageTagDataset(
        data_root=str(toy),
        classes='classes.txt',
        ann_file='ImageSets/Segmentation/train.txt',
        pipeline=[{'type': 'mmwsss.LoadImage'}, {'type': 'mmwsss.PackTagInputs'}],
    )
    assert data.num_tags == 8 and data[0]['inputs'].shape[0] == 3


def test_masks_and_objects(many):
    shares = [np.bincount(mask.ravel(), minlength=9)[1:] / mask.size for _, mask in many]
    assert all(
        image.dtype == np.uint8 and image.shape == (64, 72, 3) and mask.shape == (64, 72)
        for image, mask in many
    )
    assert all(share.any() and share.sum() < 0.75 for share in shares)
    smallest = min(share[share > 0].min() for share in shares)
    assert smallest > 0.05  # an object covers several cells of an 8-pixel grid
    per_class = (np.array(shares) > 0).sum(0)
    assert per_class.min() > 20
    assert 1.3 < np.mean([(share > 0).sum() for share in shares]) < 2


def test_water_comes_with_the_boat(many):
    """Water is the only background that is saturated blue."""

    def water(image, mask):
        red, _, blue = image[mask == 0].astype(float).mean(0)
        return blue - red > 70

    boats = [water(*pair) for pair in many if (pair[1] == BOAT + 1).any()]
    others = [water(*pair) for pair in many if not (pair[1] == BOAT + 1).any()]
    assert np.mean(boats) > 0.75 and np.mean(others) < 0.1


def test_difficulty_changes_the_images():
    def pixels(index, **kwargs):
        image, mask = render_toy_image(
            np.random.default_rng(index), difficulty=ToyDifficulty(**kwargs)
        )
        return image, mask

    base, mask = pixels(3)
    for setting in (
        {'body_noise': 0.3},
        {'part_scale': 0.5},
        {'part_hidden': 1.0},
        {'pixel_noise': 0.0},
    ):
        assert not np.array_equal(pixels(3, **setting)[0], base), setting
    small, large = (
        np.mean(
            [(pixels(index, area_low=area, area_high=area)[1] > 0).mean() for index in range(20)]
        )
        for area in (0.05, 0.2)
    )
    assert small < 0.6 * large


def test_every_class_has_a_part_and_a_body():
    assert TOY_CLASS_NAMES[0] == 'background' and len(set(TOY_CLASS_NAMES)) == 9
    for kind in TOY_CLASSES:
        assert {layer for layer, _ in kind.polygons} == {1, 2, 3}
    assert len({(kind.pattern, kind.colors) for kind in TOY_CLASSES}) == 8


def test_an_interrupted_run_goes_on(toy, tmp_path, monkeypatch):
    root = tmp_path / 'set'
    calls = []

    def fail_later(*args, **kwargs):
        if len(calls) == 10:
            raise KeyboardInterrupt
        calls.append(1)
        return render_toy_image(*args, **kwargs)

    monkeypatch.setattr('mmwsss.preparation.toy_shapes.render_toy_image', fail_later)
    with pytest.raises(KeyboardInterrupt):
        write_toy_shapes(root, **COUNTS, workers=1)
    assert not (root / 'toy_shapes.json').exists() and not (root / 'image_tags.csv').exists()
    calls = [None] * 11  # from here on the renderer only counts
    assert write_toy_shapes(root, **COUNTS, workers=1)
    assert len(calls) == 11 + sum(COUNTS.values()) - 10
    assert digest(root) == digest(toy)


def test_a_complete_set_is_left_alone_and_others_are_protected(toy, tmp_path):
    before = digest(toy)
    assert not write_toy_shapes(toy, **COUNTS, workers=1)
    with pytest.raises(FileExistsError, match='other settings.*--out.*--overwrite'):
        write_toy_shapes(toy, **COUNTS, seed=5, workers=1)
    assert digest(toy) == before
    (tmp_path / 'notes.txt').write_text('mine')
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match='not empty'):
            write_toy_shapes(tmp_path, train=1, val=0, test=0, workers=1, overwrite=overwrite)


def test_overwrite_leaves_nothing_of_the_old_set(tmp_path):
    write_toy_shapes(tmp_path / 'set', train=4, val=1, test=0, workers=1)
    assert write_toy_shapes(
        tmp_path / 'set', train=2, val=0, test=0, size=64, workers=1, overwrite=True
    )
    write_toy_shapes(tmp_path / 'fresh', train=2, val=0, test=0, size=64, workers=1)
    assert digest(tmp_path / 'set') == digest(tmp_path / 'fresh')
    assert read_mask(tmp_path / 'set' / 'SegmentationClass' / 'train_00000.png').shape == (64, 64)


@pytest.mark.parametrize(
    'kwargs', [{'train': -1}, {'train': 0, 'val': 0, 'test': 0}, {'size': 8}, {'size': (128, 96)}]
)
def test_bad_settings(tmp_path, kwargs):
    with pytest.raises(ValueError, match='size|counts'):
        write_toy_shapes(tmp_path / 'set', **kwargs)
    assert not (tmp_path / 'set').exists()
