"""Checkpoints are read without running code; data loaders restart their workers; SyncBN off DDP."""

import argparse
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model.weight_init import PretrainedInit
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from mmwsss.utils.compat import load_weights_only, restart_workers, revert_sync_batchnorm_off_ddp


class RunsACommand:
    """Unpickling it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


class ReachesForAttributes:
    """Unpickling it would get hold of an attribute of a class."""

    def __reduce__(self):
        return getattr, (torch.Tensor, '__init__')


def weights():
    return {'weight': torch.ones(1, 2), 'bias': torch.zeros(1)}


READERS = {
    'load_weights_only': load_weights_only,
    'mmengine.load_checkpoint': lambda file: load_checkpoint(torch.nn.Linear(2, 1), str(file)),
    'init_cfg': lambda file: PretrainedInit(str(file))(torch.nn.Linear(2, 1)),
}


@pytest.mark.parametrize('reader', READERS.values(), ids=READERS)
@pytest.mark.parametrize('legacy', [False, True])
def test_code_in_a_checkpoint_is_refused(reader, legacy, tmp_path):
    file, proof = tmp_path / 'weights.pth', tmp_path / 'executed'
    torch.save(
        {'state_dict': weights(), 'extra': RunsACommand(proof)},
        file,
        _use_new_zipfile_serialization=not legacy,
    )
    with pytest.raises(ValueError, match=r'weights\.pth: holds (posix|nt|os)\.system'):
        reader(file)
    assert not proof.exists()
    file.write_bytes(pickle.dumps(RunsACommand(proof)))
    with pytest.raises(ValueError, match='weights.pth'):
        reader(file)
    assert not proof.exists()


def test_attributes_of_other_classes_are_refused(tmp_path):
    torch.save({'state_dict': weights(), 'extra': ReachesForAttributes()}, tmp_path / 'weights.pth')
    with pytest.raises(ValueError, match='weights.pth: holds getattr:__init__'):
        load_weights_only(tmp_path / 'weights.pth')


def archive_of_numpy():
    """Bytes of an archive whose members lie in no folder."""
    file = io.BytesIO()
    np.savez(file, a=np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize('content', [b'', b'<html>not found</html>', archive_of_numpy(), None])
def test_damaged_files(content, tmp_path):
    file = tmp_path / 'weights.pth'
    torch.save(weights(), file)
    file.write_bytes(file.read_bytes()[:700] if content is None else content)
    for reader in READERS.values():
        with pytest.raises(ValueError, match=r'weights\.pth: not a checkpoint, or a damaged one'):
            reader(file)
    with pytest.raises(FileNotFoundError):
        load_weights_only(tmp_path / 'missing.pth')


@pytest.mark.parametrize('reader', READERS.values(), ids=READERS)
def test_command_lines_and_logs_of_training_are_read(reader, tmp_path):
    hub = MessageHub.get_instance('compat')
    hub.update_scalar('train/loss', torch.tensor(2.0))
    hub.update_info('epoch', 3)
    content = dict(
        state_dict=weights(),
        args=argparse.Namespace(lr=0.1),
        message_hub=hub.state_dict(),
        meta=dict(seed=1),
    )
    torch.save(content, tmp_path / 'weights.pth')
    reader(tmp_path / 'weights.pth')
    read = load_weights_only(tmp_path / 'weights.pth')
    assert read['args'].lr == 0.1 and read['message_hub']['runtime_info']['epoch'] == 3
    assert read['message_hub']['log_scalars']['train/loss'].current() == 2


def test_downloads_are_read_the_same_way(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    file = tmp_path / 'checkpoints' / 'weights.pth'
    file.parent.mkdir()
    torch.save({'state_dict': weights()}, file)
    url = 'https://example.invalid/weights.pth'
    assert CheckpointLoader.load_checkpoint(url, 'cpu')['state_dict']['bias'] == 0
    torch.save({'extra': RunsACommand(tmp_path / 'executed')}, file)
    with pytest.raises(ValueError, match=r'https://example\.invalid/weights\.pth: holds'):
        CheckpointLoader.load_checkpoint(url, 'cpu')
    assert not (tmp_path / 'executed').exists()

    def offline(*args, **kwargs):
        raise URLError('no route')

    file.unlink()
    monkeypatch.setattr(torch.hub, 'download_url_to_file', offline)
    with pytest.raises(URLError):
        CheckpointLoader.load_checkpoint(url, 'cpu')


def test_a_missing_device_is_no_fault_of_the_file(tmp_path):
    torch.save(weights(), tmp_path / 'weights.pth')
    if not torch.cuda.is_available():
        with pytest.raises((RuntimeError, AssertionError), match='CUDA|cuda'):
            load_weights_only(tmp_path / 'weights.pth', map_location='cuda')


class Numbers(torch.utils.data.Dataset):
    """Process that loads each item."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return os.getpid()


def test_workers_restart():
    loader = torch.utils.data.DataLoader(Numbers(), num_workers=1, persistent_workers=True)
    first, same = [int(next(iter(loader))) for _ in range(2)]
    restart_workers(loader)
    assert first == same != int(next(iter(loader)))


def test_sync_batchnorm_off_ddp():
    cfg = dict(
        norm_cfg=dict(type='SyncBN', eps=1e-3),
        heads=[dict(norm=dict(type='mmcv.SyncBN')), ('a', dict(type='LN'))],
    )
    assert revert_sync_batchnorm_off_ddp(cfg) is cfg
    assert cfg == dict(
        norm_cfg=dict(type='BN', eps=1e-3),
        heads=[dict(norm=dict(type='BN')), ('a', dict(type='LN'))],
    )


def test_configs_of_the_packages_resolve():
    cfg = Config.fromfile(Path(__file__).parents[2] / 'configs' / 'deeplabv3plus_r18_toy_pseudo.py')
    assert cfg.model.decode_head.num_classes == 9 and cfg.model.type == 'EncoderDecoder'


def test_language_models_of_mmpretrain_stay_out():
    """They would import transformers, whose newest versions they do not fit."""
    code = (
        'import sys, mmwsss.models\n'
        'from mmpretrain.models import VisionTransformer\n'
        "print('mmpretrain.models.multimodal.blip' in sys.modules, VisionTransformer.__name__)"
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert result.stdout == 'False VisionTransformer\n', result.stderr
