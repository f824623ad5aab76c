"""Settings, estimates and full-size masks of a run on own photos; the run is tested with its
tool.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.apis import own_photos
from mmwsss.apis.own_photos import (
    enlarge_labels,
    estimate_stages,
    pipeline_name,
    pipeline_options,
    trained_network,
    write_photo_masks,
)
from mmwsss.apis.pipeline import Pipeline
from mmwsss.preparation.photo_set import PhotoSet
from mmwsss.utils.io import read_mask, write_json, write_mask
from tests.tools.program import CONFIGS


def photo_set(count, folder=Path()):
    table = {f'{number}.jpg': ['dog'] for number in range(count)}
    return PhotoSet(table, {name: folder / name for name in table}, ('cat', 'dog'), ())


@pytest.mark.parametrize(
    'count, small, batch, epochs', [(400, False, 16, 6), (60, False, 16, 48), (5, True, 5, 1440)]
)
def test_options_fit_the_number_of_photos(count, small, batch, epochs):
    options = pipeline_options(photo_set(count), small=small)
    assert options == dict(num_classes=2, batch_size=batch, epochs=epochs)
    assert pipeline_options(photo_set(count), epochs=3)['epochs'] == 3


def test_photos_of_a_split_are_learned_from():
    photos = photo_set(40)
    names = list(photos.table)
    photos = photos._replace(splits=dict.fromkeys(names[:20], 'train') | {names[20]: 'val'})
    options = pipeline_options(photos, epochs=3)
    assert options['train_list'] == 'train.txt' and options['batch_size'] == 16
    assert pipeline_options(photos) == pipeline_options(photo_set(20)) | options | dict(epochs=144)
    pipeline = Pipeline(CONFIGS / 'pipelines' / 'own_photos_small.py', options=options)
    limited = {
        stage['name']
        for stage in pipeline.stages
        if 'train_dataloader.dataset.ann_file=train.txt' in stage['args']
    }
    assert limited == {'classifier', 'segmentation'}


def test_networks_by_the_package_of_weights(monkeypatch):
    for there, name in ((True, 'own_photos.py'), (False, 'own_photos_small.py')):
        monkeypatch.setattr(own_photos, 'has_trunk', lambda there=there: there)
        assert pipeline_name() == name and (CONFIGS / 'pipelines' / name).is_file()
    assert pipeline_name(small=True) == 'own_photos_small.py'


def test_estimate(tmp_path, capfd):
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / '0.jpg')
    photos = photo_set(1, tmp_path)
    options = dict(pipeline_options(photos, epochs=2), iterations=2, data=str(tmp_path))
    pipeline = Pipeline(
        CONFIGS / 'pipelines' / 'own_photos_small.py', work_dir=tmp_path / 'run', options=options
    )
    costs = {cost.name: cost for cost in estimate_stages(pipeline, photos, 48)}
    assert [*costs] == [stage['name'] for stage in pipeline.stages]
    assert 'paramwise' not in ''.join(capfd.readouterr())
    assert all(cost.seconds > 0 and cost.bytes > 0 for cost in costs.values())
    write_json(tmp_path / 'run/cams/stage.json', dict(status='done', settings={}, seconds=1.0))
    assert 'cams' not in [cost.name for cost in estimate_stages(pipeline, photos, 48)]


def test_full_size_masks(tmp_path):
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / '0.jpg')
    small = np.zeros((20, 30), np.uint8)
    small[5:15, 5:20], small[0, 0] = 3, 255
    write_mask(tmp_path / 'masks' / '0.png', small)
    photos = photo_set(1, tmp_path)
    assert write_photo_masks(photos, tmp_path / 'masks', tmp_path / 'out') == 1
    mask = read_mask(tmp_path / 'out' / '0.png', 4)
    assert mask.shape == (40, 60) and {*np.unique(mask).tolist()} == {0, 3, 255}
    assert (mask[12:28, 12:38] == 3).all() and not mask[33:].any()
    assert write_photo_masks(photos, tmp_path / 'masks', tmp_path / 'out') == 0
    assert enlarge_labels(small, (20, 30)) is small


def test_networks_of_a_run(tmp_path):
    with pytest.raises(FileNotFoundError, match='name the --out folder'):
        trained_network(tmp_path, 'segmentation')
    write_json(tmp_path / 'photos.json', dict(max_side=48, threshold=0.2))
    with pytest.raises(FileNotFoundError, match='is not trained yet'):
        trained_network(tmp_path, 'segmentation')
