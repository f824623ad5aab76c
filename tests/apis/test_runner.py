"""Runners that refuse what would train something else than the config says."""

import pytest

from mmwsss.apis import build_runner
from tests.engine.toy_runs import toy_config


@pytest.fixture(autouse=True)
def quick_runners(monkeypatch):
    """Without the versions of compilers in the log and the layout of the config in each file."""
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **style: (text, False))


@pytest.mark.parametrize(
    'hook, method',
    [('TeacherEMAHook', 'update_teacher'), ('LossScheduleHook', 'update_schedule')],
)
def test_a_method_whose_hook_is_missing(hook, method, toy_root, tmp_path):
    config = toy_config(
        toy_root, tmp_path, config='mcc_toy.py', **{'train_cfg.max_iters': 1, 'model.num_masks': 2}
    )
    config.custom_hooks = [
        entry for entry in config.custom_hooks if not entry['type'].endswith(hook)
    ]
    with pytest.raises(
        ValueError, match=rf'MCC has {method}\(\), which nothing calls: add .*{hook}'
    ):
        build_runner(config, 'train')


def test_another_number_of_classes(toy_root, tmp_path):
    config = toy_config(toy_root, tmp_path, **{'model.num_classes': 5})
    with pytest.raises(ValueError, match='the model has 5 classes, the data set 8'):
        build_runner(config, 'train')


def test_fewer_images_than_a_batch(toy_root, tmp_path):
    config = toy_config(toy_root, tmp_path, **{'train_dataloader.batch_size': 64})
    with pytest.raises(ValueError, match='fewer than a batch'):
        build_runner(config, 'train')


def test_patches_that_do_not_divide_the_crop(toy_root, tmp_path):
    config = toy_config(toy_root, tmp_path)
    backbone = dict(config.model.backbone, patch_size=14, img_size=84, stem=None)
    config.model.backbone = backbone
    message = 'patches of 14 pixels do not divide the crop of 96 .* choose 84 or 98'
    with pytest.raises(ValueError, match=message):
        build_runner(config, 'train')
    config.model.backbone = dict(backbone, pad_to_patch=True)
    assert build_runner(config, 'train').model.backbone.patch_size == 14
