"""Weights that a run needs are looked for before it starts."""

import urllib.error
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmwsss.apis import load_config, weights
from mmwsss.apis.pipeline import Pipeline
from mmwsss.apis.setup_check import check_setup, pipeline_weights
from mmwsss.apis.weights import CATALOG, check_weights, missing_weights, needed_weights
from mmwsss.utils.io import write_json
from tests.tools.program import CONFIGS, ROOT

PIPELINES = sorted((CONFIGS / 'pipelines').glob('*.py'))
TRAININGS = [
    path
    for folder in ('', 'ablations', 'msrc21')
    for path in sorted((CONFIGS / folder).glob('*.py'))
    if 'train_dataloader' in Config.fromfile(path)
]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache, a working directory without weights, and no network."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    monkeypatch.setenv('MMWSSS_OFFLINE', '1')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fake_tree(folder):
    for entry in CATALOG:
        for place in (folder / 'hub' / 'checkpoints', folder / 'weights'):
            place.mkdir(parents=True, exist_ok=True)
            (place / entry.name).touch()


@pytest.mark.parametrize('path', TRAININGS, ids=lambda path: path.stem)
def test_every_weight_of_a_config_is_known(path):
    """Each stands in the catalogue; a config that freezes layers names its weights."""
    for need in needed_weights(load_config(path)):
        if need.file.suffix == '.json':  # made by a tool
            continue
        assert need.external is not None, need
        text = need.describe()
        assert need.external.what in text and str(need.file) in text and '\n' not in text


def test_the_catalogue_is_the_page():
    page = (ROOT / 'docs' / 'user_guides' / 'weights.md').read_text()
    for entry in CATALOG:
        assert f'| `{entry.name}` | {entry.what} | {entry.size} MB |' in page
        assert f'<{entry.source}>' in page and (not entry.sha256 or entry.sha256 in entry.name)


@pytest.mark.parametrize('path', PIPELINES, ids=lambda path: path.stem)
def test_pipelines_with_and_without_weights(path, hub):
    """Everything that is missing is named once, and nothing with a tree of weights."""
    needs = pipeline_weights(Pipeline(path))
    places = {need.place for need in needs}
    if not places:
        # random weights, or those of an installed package
        assert any(name in path.stem for name in ('toy', 'msrc21', 'own_photos'))
        return
    with pytest.raises(FileNotFoundError) as error:
        check_weights(needs)
    text = str(error.value)
    assert all(text.count(f'{place} (') == 1 for place in places) and '\n' not in text
    assert text.startswith(f'{len(places)} file')
    fake_tree(hub)
    assert missing_weights(needs) == []


def test_overrides_and_finished_stages(hub):
    path = CONFIGS / 'pipelines' / 'mctformer_plus_voc.py'
    run = Pipeline(path, work_dir=hub / 'work', options={'resnet38': '/w/res38.pth'})
    names = [need.place for need in pipeline_weights(run)]
    assert names.count('/w/res38.pth') == 2 and len(names) == 3
    (hub / 'work' / 'classifier').mkdir(parents=True)
    write_json(hub / 'work' / 'classifier' / 'stage.json', dict(status='done'))
    assert {need.place for need in pipeline_weights(run)} == {'/w/res38.pth'}


def test_a_wrong_option_of_a_stage():
    path = CONFIGS / 'pipelines' / 'mctformer_plus_voc.py'
    run = Pipeline(path, options={'stage_options.classifier.model.contrast_wait': 1})
    with pytest.raises(ValueError, match=r"no option 'contrast_wait'.*contrast_weight'"):
        pipeline_weights(run)


def test_frozen_layers_need_weights(tmp_path):
    options = {'model.backbone.init_cfg': None}
    with pytest.raises(ValueError, match=r'frozen_bn=True, frozen_stages=1\) but names no weights'):
        needed_weights(load_config(CONFIGS / 'psa_voc.py', cfg_options=options))
    with pytest.raises(ValueError, match=r'norm_eval=True, frozen_stages=4\)'):
        needed_weights(load_config(CONFIGS / 'irn_voc.py', cfg_options=options))
    options = {'model.backbone.init_cfg': dict(type='Kaiming', layer='Conv2d')}
    assert needed_weights(load_config(CONFIGS / 'psa_voc.py', cfg_options=options)) == []
    options = {'model.backbone.init_cfg': None, 'load_from': 'a.pth'}
    config = load_config(CONFIGS / 'psa_voc.py', cfg_options=options)
    assert [need.place for need in needed_weights(config)] == ['a.pth']


def test_servers_are_asked_once(monkeypatch, tmp_path):
    asked = []

    class Answer:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

    def open_url(request, timeout):
        asked.append(request.full_url)
        if 'deit' in request.full_url:
            raise urllib.error.URLError('no route')
        return Answer()

    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    monkeypatch.setattr(weights, 'urlopen', open_url)
    monkeypatch.delenv('MMWSSS_OFFLINE', raising=False)
    needs = [
        *needed_weights(load_config(CONFIGS / 'mctformer_plus_voc.py')),
        *needed_weights(load_config(CONFIGS / 'mctformer_plus_coco.py')),
        *needed_weights(load_config(CONFIGS / 'cosa_voc.py')),
    ]
    (missing,) = missing_weights(needs)
    assert 'deit_small' in missing.place and len(asked) == 2
    with pytest.raises(FileNotFoundError, match=f'put it at {tmp_path}/checkpoints/deit_small'):
        check_weights(needs)


def test_check_setup(hub):
    found = {entry.place: entry for entry in check_setup(CONFIGS / 'mctformer_plus_toy.py')}
    assert not any(entry.there for entry in found.values())
    assert 'toy_shapes.py' in found['data/toy_shapes'].source
    Path('data/toy_shapes/JPEGImages').mkdir(parents=True)
    found = {entry.place: entry for entry in check_setup(CONFIGS / 'mctformer_plus_toy.py')}
    assert found['data/toy_shapes'].there and found['data/toy_shapes/JPEGImages'].there
    found = check_setup(CONFIGS / 'pipelines' / 'mctformer_plus_voc.py', {'data': '/mnt/voc'})
    assert {entry.kind for entry in found} == {'data', 'weights'}
    assert all('{' not in entry.place for entry in found)
    assert any(entry.place.startswith('/mnt/voc/JPEGImages') for entry in found)
    assert sum(entry.place == 'weights/res38_cls.pth' for entry in found) == 1
    toy = check_setup(CONFIGS / 'pipelines' / 'mctformer_plus_toy.py')
    assert toy == []  # a stage draws the data
