"""Overrides that would change nothing are errors that name the nearest key."""

import pytest
from mmengine.config import Config

from mmwsss.apis import load_config
from mmwsss.apis.overrides import check_overrides, constructor_options, nearest
from tests.tools.program import CONFIGS

TOY = CONFIGS / 'mctformer_plus_toy.py'


@pytest.mark.parametrize(
    'key, value, message',
    [
        (
            'train_dataloder.batch_size',
            2,
            r"train_dataloder\.batch_size changes nothing.*'train_dataloader'",
        ),
        ('train_dataloader.batchsize', 2, r"no option 'batchsize'.*'train_dataloader\.batch_size'"),
        ('batch_size', 2, r'batch_size changes nothing.*override train_dataloader\.batch_size'),
        ('optim_wrapper.optimizer.lrate', 1, r"\(AdamW\) has no option 'lrate'.*optimizer\.lr'"),
        ('model.contrast_wait', 1, r"MCTformerPlus\) has no option.*'model\.contrast_weight'"),
        ('model.backbone.drop_path', 0.2, r"TokenViT\) has no option 'drop_path'.*drop_path_rate'"),
        (
            'train_pipeline',
            [],
            r'the config copied train_pipeline when it was read; override .*dataset\.pipeline',
        ),
        ('default_hooks.chekpoint.interval', 2, r"no option 'chekpoint'.*checkpoint'"),
        ('randomness.sed', 2, r"no option 'sed'.*'randomness\.seed'"),
        ('val_dataloader.dataset.spilt', 'val', r"no option 'spilt'"),
        ('param_scheduler.0.beginn', 1, r"no option 'beginn'.*'param_scheduler\.0\.begin'"),
        ('train_cfg.max_epoch', 2, r"no option 'max_epoch'.*'train_cfg\.max_epochs'"),
    ],
)
def test_overrides_without_effect(key, value, message):
    with pytest.raises(ValueError, match=message) as error:
        load_config(TOY, cfg_options={key: value})
    assert str(TOY) in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize(
    'options',
    [
        {'model.backbone.init_cfg.type': 'Pretrained', 'model.backbone.init_cfg.checkpoint': 'a'},
        {'model.test_cfg.refine': True},
        {'optim_wrapper.accumulative_counts': 4, 'optim_wrapper.clip_grad.max_norm': 1.0},
        {'optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult': 0.1},
        {'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False},
        {'env_cfg.dist_cfg.backend': 'gloo', 'randomness.deterministic': True},
        {'default_hooks.checkpoint.save_best': 'cam/mIoU', 'custom_hooks.0.priority': 'LOW'},
        {'model.backbone.num_layers_': 1, 'model.backbone._delete_': True},
        {'load_from': 'a.pth', 'auto_scale_lr.base_batch_size': 8, 'total_batch_size': 8},
    ],
)
def test_overrides_with_effect(options):
    if 'model.backbone.num_layers_' in options:
        with pytest.raises(ValueError, match='num_layers_'):
            load_config(TOY, cfg_options=options)
        return
    config = load_config(TOY, cfg_options=options)
    for key, value in options.items():
        entry = config
        for part in key.split('.'):
            entry = entry[int(part) if part.isdigit() else part]
        assert entry == value


@pytest.mark.parametrize(
    'key, name',
    [
        ('model.num_mask', 'num_masks'),
        ('model.loss_weights.contast', 'contrast'),
        ('model.loss_starts.contast', 'contrast'),
        ('model.pseudo_label.hihg', 'high'),
        ('speed.tf23', 'tf32'),
    ],
)
def test_parts_that_a_method_lists_with_their_defaults(key, name):
    """Known and misspelt entries, also where the config has no such part."""
    config = Config(dict(model=dict(type='mmwsss.MCC', loss_weights=dict(seg=1.0))))
    with pytest.raises(ValueError, match=f"{key} changes nothing.*has no option.*{name}'"):
        check_overrides(config, {key: 1})
    check_overrides(config, {f'{key.rpartition(".")[0]}.{name}': 1})


def test_scope_of_inherited_dictionaries():
    config = CONFIGS / 'deeplabv3plus_r18_toy_pseudo.py'
    load_config(config, cfg_options={'model.backbone.frozen_stages': 1})
    with pytest.raises(
        ValueError, match=r"ResNetV1c\) has no option 'frozen_stage'.*frozen_stages"
    ):
        load_config(config, cfg_options={'model.backbone.frozen_stage': 1})


def test_a_data_root_that_moves_nothing(tmp_path):
    file = tmp_path / 'mine.py'
    file.write_text("test_dataloader = dict(dataset=dict(type='mmwsss.ImageTagDataset'))")
    with pytest.raises(ValueError, match='override data_root changes nothing'):
        load_config(file, cfg_options={'data_root': 'elsewhere'})


def test_components_of_a_file_of_the_user(tmp_path, monkeypatch):
    """``custom_imports`` on the command line is imported, and its options are known."""
    (tmp_path / 'my_override_parts.py').write_text(
        'from mmwsss.registry import HOOKS\n'
        'from mmengine.hooks import Hook\n'
        '@HOOKS.register_module()\n'
        'class MyOverrideHook(Hook):\n'
        '    def __init__(self, interval=1):\n'
        '        self.interval = interval\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    options = {
        'custom_imports.imports': ['my_override_parts'],
        'custom_hooks': [dict(type='mmwsss.MyOverrideHook')],
    }
    config = load_config(TOY, cfg_options=options)
    load_config(config, cfg_options={'custom_hooks.0.interval': 3})
    with pytest.raises(ValueError, match=r"MyOverrideHook\) has no option 'intervall'"):
        load_config(config, cfg_options={'custom_hooks.0.intervall': 3})


def test_names_of_constructors():
    class Base:
        def __init__(self, width, *, depth=1):
            pass

    class Child(Base):
        def __init__(self, height, **options):
            super().__init__(**options)

    class Open:
        def __init__(self, height, **options):
            pass

    assert constructor_options(Child) == {'height', 'width', 'depth'}
    assert constructor_options(Open) is None and constructor_options(Config) is not None
    assert constructor_options(lambda a, b=1: 0) == {'a', 'b'}
    assert constructor_options(lambda a, **b: 0) is None


def test_nearest():
    assert nearest('seeed', ['seed', 'other']) == "; the nearest is 'seed'"
    assert nearest('x', ['long', 'name'], 'a.') == '; there are long, name'
    assert nearest('x', map(str, range(100, 200))) == ''
