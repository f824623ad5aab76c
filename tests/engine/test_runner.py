"""What the runner adds to MMEngine's; resuming is tested in test_resume.py."""

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook

from mmwsss.engine.hooks import AtomicCheckpointHook
from mmwsss.engine.runner import WSSSRunner
from tests.engine.toy_runs import toy_config


class Fails(Hook):
    """Stops in the second iteration."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if batch_idx == 1:
            raise RuntimeError('stop')


def test_an_error_takes_the_images_of_its_batch_along(toy_root, tmp_path):
    config = toy_config(toy_root, tmp_path, hooks=[Fails()])
    runner = WSSSRunner.from_cfg(config)
    assert any(isinstance(hook, AtomicCheckpointHook) for hook in runner.hooks)
    with pytest.raises(RuntimeError, match='stop') as caught:
        runner.train()
    assert len(caught.value.images) == 4 and all('train_' in str(i) for i in caught.value.images)


class NoMemory(Hook):
    """What an allocator says."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 40 GiB')


def test_too_little_memory_names_what_lowers_it(toy_root, tmp_path):
    runner = WSSSRunner.from_cfg(toy_config(toy_root, tmp_path, hooks=[NoMemory()]))
    with pytest.raises(ValueError, match='training: .*--batch-size-per-gpu.*--amp'):
        runner.train()


def test_nothing_is_logged_while_a_runner_is_built(toy_root, tmp_path):
    config = toy_config(toy_root, tmp_path)
    config.log_level = 'INFO'
    runner = WSSSRunner.from_cfg(config)
    (log,) = tmp_path.rglob('*.log')
    assert log.read_text() == ''
    runner.announce()
    assert 'Config:' in log.read_text() and 'Hooks will be executed' in log.read_text()


def test_the_config_is_written_with_the_first_batch(toy_root, tmp_path):
    runner = WSSSRunner.from_cfg(toy_config(toy_root, tmp_path))
    runner.register_hook(Fails())
    assert not list(tmp_path.glob('*.py'))
    with pytest.raises(RuntimeError, match='stop'):
        runner.train()
    (file,) = tmp_path.glob('*.py')
    assert Config.fromfile(file).model == runner.cfg.model


def test_files_that_are_no_checkpoint_of_the_model(toy_root, tmp_path):
    runner = WSSSRunner.from_cfg(toy_config(toy_root, tmp_path / 'run'))
    with pytest.raises(FileNotFoundError, match='none.pth: checkpoint not found'):
        runner.load_checkpoint(str(tmp_path / 'none.pth'))
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='list.pth: holds a list, not a dictionary of weights'):
        runner.load_checkpoint(str(tmp_path / 'list.pth'))
