"""Photos and tags to a network, and new photos to masks, without a config."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.apis import Segmenter, init_model, pipeline
from mmwsss.utils.io import read_json, read_mask
from tests.tools import program
from tests.tools.program import CONFIGS, Result, tools_in_process

SIZE = (72, 64)


@pytest.fixture
def config(tmp_path):
    """The pipeline of own photos with the smallest networks, trained for a moment."""
    folder = tmp_path / 'configs'
    folder.mkdir()
    (folder / 'classifier.py').write_text(
        f'_base_ = {str(CONFIGS / "mctformer_plus_tags_small.py")!r}\n'
        'arch = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)\n'
        'stem = dict(_delete_=True, type="mmwsss.ConvStem", channels=(4, 4, 8, 16))\n'
        'model = dict(backbone=dict(arch=arch, stem=stem))\n'
        'train_dataloader = dict(num_workers=0, persistent_workers=False)\n'
        'test_dataloader = dict(num_workers=0)\n'
    )
    (folder / 'network.py').write_text(
        f'_base_ = {str(CONFIGS / "deeplabv3plus_small_photos_pseudo.py")!r}\n'
        'model = dict(backbone=dict(base_channels=8, stem_channels=8),\n'
        '    decode_head=dict(in_channels=64, c1_in_channels=8, channels=16))\n'
        'train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False)\n'
        'total_batch_size = 2\n'
        'test_dataloader = dict(num_workers=0, persistent_workers=False)\n'
    )
    (folder / 'tiny.py').write_text(
        f'_base_ = {str(CONFIGS / "pipelines" / "own_photos_small.py")!r}\n'
        'epochs, iterations, threshold = 1, 2, 0.3\n'
        'stage_args = dict(masks=["--workers", "0"])\n'
        f'recipe = dict(classifier={str(folder / "classifier.py")!r},\n'
        f'    segmentor={str(folder / "network.py")!r})\n'
    )
    return folder / 'tiny.py'


@pytest.fixture
def photos(tmp_path):
    """Six photos and their tags."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(6):
        pixels = rng.integers(0, 256, (*SIZE, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f'p{index}.jpg')
    return folder, {f'p{index}.jpg': [('cat', 'dog')[index % 2]] for index in range(6)}


@pytest.mark.slow
def test_two_verbs(config, photos, tmp_path, monkeypatch):
    tools_in_process(monkeypatch, pipeline)
    folder, tags = photos
    segmenter = Segmenter(tmp_path / 'run', device='cpu', max_side=64, config=config, epochs=1)
    assert segmenter.fit(folder, tags) is segmenter
    assert segmenter.classes == ('background', 'cat', 'dog')
    assert read_json(tmp_path / 'run' / 'tags.json')['p0.jpg'] == ['cat']
    mask = segmenter.predict(folder / 'p0.jpg')
    assert mask.shape == SIZE and mask.max() <= 2
    found = segmenter.predict(folder, batch_size=2)
    files = found.save(tmp_path / 'masks')
    assert len(files) == 6 and read_mask(files[0], 3, SIZE) is not None

    file = segmenter.save(tmp_path / 'mine.pth')
    loaded = Segmenter.load(file, device='cpu')
    assert loaded.classes == segmenter.classes and loaded.max_side == 64
    np.testing.assert_array_equal(loaded.predict(folder / 'p0.jpg'), mask)
    assert init_model(file).class_names == segmenter.classes

    # a second call finds it done
    monkeypatch.setattr(pipeline.Pipeline, '_run_stage', None)
    again = Segmenter(tmp_path / 'run', device='cpu', max_side=64, config=config, epochs=1)
    np.testing.assert_array_equal(again.fit(folder, tags).predict(folder / 'p0.jpg'), mask)


def test_mistakes(photos, config, tmp_path):
    folder, tags = photos
    segmenter = Segmenter(tmp_path / 'run', config=config)
    for call in (segmenter.predict, segmenter.save):
        with pytest.raises(ValueError, match='has learned nothing yet'):
            call(folder)
    with pytest.raises(ValueError, match='1 problems of photos or tags, first .*missing.jpg'):
        segmenter.fit(folder, {**tags, 'missing.jpg': ['cat']})
    assert 'missing.jpg' in (tmp_path / 'run' / 'tags.txt').read_text()
    with pytest.raises(FileNotFoundError, match='none.pth'):
        Segmenter.load(tmp_path / 'none.pth')


def test_a_failed_stage_is_one_line(photos, config, tmp_path, monkeypatch):
    tools_in_process(monkeypatch, pipeline)
    failure = Result(1, '', 'error: no\n')
    monkeypatch.setattr(program, 'run_tool', lambda *_: failure)
    segmenter = Segmenter(tmp_path / 'run', config=config, epochs=1)
    with pytest.raises(ValueError, match='stage classifier failed with exit code 1; log: '):
        segmenter.fit(*photos)
