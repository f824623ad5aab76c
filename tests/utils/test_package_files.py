"""Configs by the name of the package, as MMEngine and our tools read them."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hub import get_config

from mmwsss.apis import load_config
from mmwsss.utils.package_files import find_config, package_root

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.mark.parametrize(
    'name, file',
    [
        ('mmwsss::mctformer_plus_voc.py', 'mctformer_plus_voc.py'),
        ('mmwsss::mctformer_plus_voc', 'mctformer_plus_voc.py'),
        ('mmwsss::mctformer_plus/mctformer_plus_voc.py', 'mctformer_plus_voc.py'),
        ('mmwsss::_base_/models/cosa_vit-b.py', '_base_/models/cosa_vit-b.py'),
        ('mmwsss::ablations/acr_voc_batch4.py', 'ablations/acr_voc_batch4.py'),
    ],
)
def test_names(name, file):
    assert find_config(name) == CONFIGS / file
    assert package_root() == CONFIGS.parent


@pytest.mark.parametrize('name', ['mmwsss::mctformer_plus_vok.py', 'mmwsss::../setup.py'])
def test_unknown_names(name):
    with pytest.raises(FileNotFoundError, match='mmwsss does not contain this config'):
        find_config(name)
    with pytest.raises(FileNotFoundError, match='did you mean mmwsss::mctformer_plus_voc.py'):
        find_config('mmwsss::mctformer_plus_vok.py')


def test_configs_of_other_projects(tmp_path):
    own = tmp_path / 'own.py'
    own.write_text("_base_ = ['mmwsss::mctformer_plus_voc.py']\nmodel = dict(num_classes=3)\n")
    config = Config.fromfile(own)
    assert (config.model.type, config.model.num_classes) == ('mmwsss.MCTformerPlus', 3)
    assert get_config('mmwsss::mctformer_plus_voc.py').model.num_classes == 20
    assert load_config('mmwsss::mctformer_plus_voc.py').model.num_classes == 20
    with pytest.raises(ValueError, match='publishes no trained weights'):
        get_config('mmwsss::mctformer_plus_voc.py', pretrained=True)
