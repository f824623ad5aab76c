"""Photos, folders, patterns and a video, with and without tags."""

import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from mmwsss.utils.io import read_cam, read_json, read_mask
from tests.tools.program import one_line, run_tool

pytestmark = pytest.mark.tools


@pytest.fixture
def demo(classifier, tmp_path):
    def call(*photos, model=classifier):
        words = ('--config', model.config, '--checkpoint', model.checkpoint)
        return run_tool(
            'demo.py', *photos, *words, '--out', tmp_path / 'out', options=model.options
        )

    return call


@pytest.fixture
def photos(toy_root, tmp_path):
    """A folder with one photo, two photos beside it, and a video of three frames."""
    files = sorted((toy_root / 'JPEGImages').iterdir())[:3]
    (tmp_path / 'folder').mkdir()
    shutil.copy(files[0], tmp_path / 'folder' / 'inside.jpg')
    for name, file in zip(('one', 'two'), files[1:]):
        shutil.copy(file, tmp_path / f'{name}.jpg')
    writer = cv2.VideoWriter(
        str(tmp_path / 'clip.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 5, (80, 64)
    )
    for shade in (20, 120, 220):
        writer.write(np.full((64, 80, 3), shade, np.uint8))
    writer.release()
    return tmp_path


def test_everything_that_shows_a_picture(demo, photos):
    result = demo(
        photos / 'folder',
        photos / '*.jpg',
        photos / 'clip.avi',
        '--tags',
        'kite,boat',
        '--every',
        2,
    )
    assert result.code == 0, result
    results = read_json(photos / 'out' / 'results.json')
    assert {*results} == {'inside', 'one', 'two', 'clip_000000', 'clip_000002'}
    for name, entry in results.items():
        maps = read_cam(photos / 'out' / f'{name}.npz')
        mask = read_mask(photos / 'out' / f'{name}.png', 9, maps.size)
        assert {*entry['scores']} == {'kite', 'boat'} and len(maps.keys) == 2
        assert sum(entry['shares'].values()) == pytest.approx(1, abs=1e-3)
        assert {*np.unique(mask)} <= {0, *(maps.keys + 1).tolist()}
        width, height = Image.open(photos / 'out' / f'{name}_overlay.png').size
        assert width > 4 * 320 and height > 200
    before = (photos / 'out' / 'one.npz').stat().st_mtime_ns
    assert demo(photos / 'one.jpg', '--tags', 'kite,boat').code == 0
    assert (photos / 'out' / 'one.npz').stat().st_mtime_ns == before


def test_predicted_tags_and_segmentation(demo, photos, segmentor):
    assert demo(photos / 'one.jpg').code == 0
    assert len(read_json(photos / 'out' / 'results.json')['one']['scores']) >= 1
    shutil.rmtree(photos / 'out')  # it belongs to the other model
    result = demo(photos / 'two.jpg', model=segmentor)
    assert result.code == 0, result
    assert 'scores' not in read_json(photos / 'out' / 'results.json')['two']
    one_line(demo(photos / 'one.jpg', '--tags', 'kite', model=segmentor), 'segments without tags')


def test_weights_alone(photos, classifier):
    words = ('--checkpoint', classifier.checkpoint, '--tags', 'kite', '--out', photos / 'alone')
    assert run_tool('demo.py', photos / 'one.jpg', *words).code == 0
    assert [*read_json(photos / 'alone' / 'results.json')['one']['scores']] == ['kite']


def test_bad_input(demo, photos):
    one_line(run_tool('demo.py', photos / 'one.jpg', '--out', photos / 'out'), '--checkpoint')
    one_line(demo('https://example.org/a.jpg'), 'not downloaded')
    one_line(demo(photos / 'nothing.jpg'), 'nothing.jpg: no photo, folder')
    one_line(demo(photos / 'one.jpg', '--tags', 'kite,cat'), "'cat' is not a known class")
    (photos / 'notes.txt').write_text('x')
    one_line(demo(photos / 'notes.txt'), 'neither a photo')
    (photos / 'bad.avi').write_text('x')
    one_line(demo(photos / 'bad.avi'), 'bad.avi: not a video')
    shutil.copy(photos / 'one.jpg', photos / 'folder')
    one_line(demo(photos / 'one.jpg', photos / 'folder'), 'have the same name')
    assert demo(photos / 'one.jpg', '--threshold', 2).code == 2
    assert not (photos / 'out').exists()


def test_another_model_or_photo_does_not_pass_for_the_old_one(demo, classifier, photos):
    assert demo(photos / 'one.jpg').code == 0
    former = classifier._replace(checkpoint=str(classifier.folder / 'epoch_1.pth'))
    one_line(demo(photos / 'one.jpg', model=former), 'out', 'other settings (checkpoint)')
    shutil.copy(photos / 'two.jpg', photos / 'one.jpg')
    one_line(demo(photos / 'one.jpg'), 'out', 'made from other inputs', 'one')
    shutil.rmtree(photos / 'out')
    (photos / 'out').mkdir()
    (photos / 'out' / 'results.json').write_text('[1]')
    one_line(demo(photos / 'one.jpg'), 'results.json', 'holds no results')


def test_a_photo_that_cannot_be_read_leaves_nothing(demo, photos):
    (photos / 'cut.jpg').write_bytes((photos / 'one.jpg').read_bytes()[:400])
    result = demo(photos / 'cut.jpg')
    assert result.code == 1 and 'cut.jpg: unreadable image' in result.err
    assert not (photos / 'out').exists()
    assert demo(photos / 'one.jpg').code == 0
    assert demo(photos / 'one.jpg', photos / 'cut.jpg').code == 1
    assert {*read_json(photos / 'out' / 'results.json')} == {'one'}
