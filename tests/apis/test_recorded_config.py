"""A checkpoint alone is a model: its config is read and not executed."""

import os

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmwsss.apis import infer_cams, init_model
from mmwsss.apis.recorded_config import is_checkpoint, recorded_config
from tests.mctformer_golden import CAM_ARCH, build, model_config

CLASSES = ['background', 'cat', 'dog']


def config_with(**entries):
    pipeline = [
        dict(type='mmwsss.LoadImage'),
        dict(type='mmwsss.MultiScaleViews', scales=(1.0,)),
        dict(type='mmwsss.PackTagInputs'),
    ]
    content = dict(
        model=model_config(2, CAM_ARCH),
        test_dataloader=dict(dataset=dict(type='mmwsss.ImageTagDataset', pipeline=pipeline)),
        cam_threshold=0.2,
        optim_wrapper=dict(type='elsewhere.Optimizer'),
    )
    return Config({**content, **entries})


@pytest.fixture
def save(tmp_path):
    """Write a checkpoint with the text of a config."""

    def write(text):
        path = tmp_path / 'a.pth'
        meta = dict(cfg=text, dataset_meta=dict(classes=CLASSES))
        torch.save(dict(state_dict=build(2, CAM_ARCH).state_dict(), meta=meta), path)
        return path

    return write


def test_a_checkpoint_alone(save):
    path = save(config_with().pretty_text)
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    expected = infer_cams(init_model(config_with(), path), image, 'dog')
    assert expected.names == ['dog'] and expected.threshold == 0.2
    for model in (init_model(path), init_model(str(path)), init_model(checkpoint=path)):
        found = infer_cams(model, image, 'dog')
        np.testing.assert_array_equal(found.cams, expected.cams)
        np.testing.assert_array_equal(found.mask, expected.mask)
    options = {'model.test_cfg.flip': False}
    assert not init_model(path, device='auto', cfg_options=options).test_cfg['flip']


@pytest.mark.parametrize(
    'kind', ['os.system', 'mmengine.load', 'mmwsss.utils.io.write_json', 'builtins.eval', 'NoSuch']
)
def test_foreign_code_is_refused(save, kind):
    model = model_config(2, CAM_ARCH, tag_loss=dict(type=kind, command='touch x'))
    with pytest.raises(ValueError, match=f'a.pth: its config names {kind!r}'):
        init_model(save(config_with(model=model).pretty_text))


def test_text_is_not_executed(save, tmp_path):
    text = f'open({str(tmp_path / "ran")!r}, "w")\n' + config_with().pretty_text
    recorded_config(save(text))
    assert not (tmp_path / 'ran').exists()
    assert 'optim_wrapper' not in recorded_config(save(text))


def test_without_a_usable_config(save, tmp_path):
    imports = dict(imports=['my_parts'])
    with pytest.raises(ValueError, match='my_parts.*name the config file'):
        init_model(save(config_with(custom_imports=imports).pretty_text))
    for text in ('not python (', 'x = 1', None):
        with pytest.raises(ValueError, match='records no config.*mmwsss::mctformer_plus_voc.py'):
            init_model(save(text))
    with pytest.raises(FileNotFoundError, match='none.pth: checkpoint not found'):
        init_model(tmp_path / 'none.pth')
    (tmp_path / 'text.pth').write_text('no checkpoint')
    with pytest.raises(ValueError, match='text.pth'):
        init_model(tmp_path / 'text.pth')
    with pytest.raises(ValueError, match='needs a config or a checkpoint'):
        init_model()


def test_names_and_configs_by_name():
    assert is_checkpoint('a/b.pth') and is_checkpoint(os.path.join('x', 'y.safetensors'))
    assert not is_checkpoint('a.py') and not is_checkpoint(Config(dict())) and not is_checkpoint(0)
    model = init_model('mmwsss::mctformer_plus_toy.py')
    assert model.class_names[:2] == ('background', 'kite')
