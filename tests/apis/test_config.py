"""Configs as the tools read them."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmwsss.apis import dataset_of_split, load_config
from mmwsss.apis.config import build_errors_named, read_config, require_sections
from mmwsss.registry import DATASETS

CONFIGS = Path(__file__).parents[2] / 'configs'


def test_overrides_and_work_dir(tmp_path):
    config = load_config(
        CONFIGS / 'mctformer_plus_toy.py',
        cfg_options={'model.test_cfg.refine': True, 'train_cfg.max_epochs': 3},
    )
    assert config.model.test_cfg.refine is True and config.train_cfg.max_epochs == 3
    assert (
        config.work_dir == str(Path('work_dirs') / 'mctformer_plus_toy')
        and config.launcher == 'none'
    )
    assert DefaultScope.get_current_instance().scope_name == 'mmwsss'
    assert load_config(CONFIGS / 'mctformer_plus_toy.py', work_dir=tmp_path).work_dir == str(
        tmp_path
    )
    assert load_config(config, cfg_options={'log_level': 'ERROR'}) is config
    assert config.log_level == 'ERROR'


@pytest.mark.parametrize(
    'device, launcher, norm',
    [
        ('cuda', 'pytorch', 'SyncBN'),
        ('cuda', 'none', 'BN'),
        ('cpu', 'pytorch', 'BN'),
        ('cpu', 'none', 'BN'),
    ],
)
def test_sync_batchnorm_needs_processes_with_a_gpu_each(device, launcher, norm, monkeypatch):
    monkeypatch.setattr('mmengine.device.get_device', lambda: device)
    config = load_config(CONFIGS / 'deeplabv3plus_r18_toy_pseudo.py', launcher=launcher)
    assert config.model.backbone.norm_cfg.type == norm
    assert config.env_cfg.dist_cfg.backend == (
        'gloo' if (device, launcher) == ('cpu', 'pytorch') else 'nccl'
    )


@pytest.mark.parametrize('device', ['cuda', 'cpu'])
def test_mixed_precision_needs_a_gpu(device, monkeypatch):
    monkeypatch.setattr('mmengine.device.get_device', lambda: device)
    wrapper = load_config(CONFIGS / 'mctformer_plus_voc.py').optim_wrapper
    assert wrapper.type == (
        'mmengine.AmpOptimWrapper' if device == 'cuda' else 'mmengine.OptimWrapper'
    )
    assert ('loss_scale' in wrapper) == (
        device == 'cuda'
    ) and wrapper.optimizer.weight_decay == 0.05


def test_a_moved_data_root_reaches_every_data_set(tmp_path):
    config = load_config(
        CONFIGS / 'mctformer_plus_toy.py', cfg_options={'data_root': str(tmp_path)}
    )
    assert {
        config[f'{split}_dataloader'].dataset.data_root for split in ('train', 'val', 'test')
    } == {str(tmp_path)}


def test_wrong_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='missing.py: config not found'):
        load_config(tmp_path / 'missing.py')
    for name, text in (
        ('syntax.py', 'model = dict('),
        ('base.py', "_base_ = ['mmseg::_base_/no/such.py']\nmodel = dict()"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(
            (ValueError, FileNotFoundError), match=name if name == 'syntax.py' else 'such.py'
        ):
            load_config(tmp_path / name)


def test_splits(toy_root):
    config = load_config(
        CONFIGS / 'mctformer_plus_toy.py',
        cfg_options={'test_dataloader.dataset.data_root': str(toy_root)},
    )
    before = config.pretty_text
    dataset = DATASETS.build(dataset_of_split(config, 'train'))
    assert (
        len(dataset) == 8 and dataset.test_mode and 'seg_map_path' not in dataset.get_data_info(0)
    )
    assert 'gt_sem_seg' not in dataset[0]['data_samples']
    dataset = DATASETS.build(dataset_of_split(config, 'val', masks=True))
    assert len(dataset) == 3 and 'gt_sem_seg' in dataset[0]['data_samples']
    (toy_root.parent / 'mine.txt').write_text('val_00001\n')
    dataset = DATASETS.build(dataset_of_split(config, str(toy_root.parent / 'mine.txt')))
    assert [dataset.get_data_info(index)['img_id'] for index in range(len(dataset))] == [
        'val_00001'
    ]
    assert len(DATASETS.build(dataset_of_split(config, 'all'))) == 13
    assert config.pretty_text == before


def test_a_config_that_moved_into_a_folder_is_found(tmp_path):
    (tmp_path / 'msrc21').mkdir()
    (tmp_path / 'msrc21' / 'a.py').write_text('x = 3\n')
    (tmp_path / 'pipelines').mkdir()  # another kind of config
    (tmp_path / 'pipelines' / 'a.py').write_text('stages = []\n')
    assert read_config(tmp_path / 'a.py').x == 3
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'a.py').write_text('x = 4\n')
    with pytest.raises(FileNotFoundError, match=r'a\.py: config not found'):
        read_config(tmp_path / 'a.py')


@pytest.mark.parametrize(
    'text, message',
    [
        ('', 'has no model; is it the config of a network'),
        ('model = 5', 'model is 5, expected dict'),
        ('model = dict(a=1)', 'has no test_dataloader'),
        ('model = dict(a=1)\ntest_dataloader = [1]', r'test_dataloader is \[1\], expected dict'),
        ('model = dict(a=1)\ntest_dataloader = dict(b=1)', 'test_dataloader.dataset is missing'),
    ],
)
def test_sections_that_a_tool_needs(text, message, tmp_path):
    (tmp_path / 'mine.py').write_text(text)
    config = Config.fromfile(tmp_path / 'mine.py')
    with pytest.raises(ValueError, match=rf'mine\.py: {message}'):
        require_sections(config, 'model', 'test_dataloader')
    good = Config(dict(model=dict(a=1), test_evaluator=[dict(b=1)]))
    require_sections(good, 'model', 'test_evaluator')


@pytest.mark.parametrize('text', ['1 / 0', 'assert False', 'a = b', 'raise OSError("x")', 'a ='])
def test_a_config_whose_python_fails(text, tmp_path):
    (tmp_path / 'mine.py').write_text(text)
    with pytest.raises(ValueError, match=r'mine\.py: not a valid config \(\w+Error'):
        read_config(tmp_path / 'mine.py')


def test_what_cannot_be_built_names_the_config():
    config = Config(dict(model=dict(type='Nope')))
    for error, text in ((KeyError('Nope is unknown'), 'Nope'), (TypeError('no b'), 'no b')):
        with pytest.raises(ValueError, match=f'config: cannot be built: {text}'):
            with build_errors_named(config):
                raise error
