"""Switches of speed."""

from argparse import ArgumentParser

import pytest
import torch
from mmengine.config import Config

from mmwsss.apis import config as config_module
from mmwsss.apis.speed import (
    add_speed_arguments,
    backbones,
    prepare_network,
    set_amp,
    set_speed,
)
from tests.device.small_models import small_model


def test_switches_reach_the_config() -> None:
    parser = ArgumentParser()
    add_speed_arguments(parser)
    config = Config(dict(speed=dict(channels_last=True)))
    set_speed(config, parser.parse_args(['--tf32']))
    assert config.speed == dict(channels_last=True, tf32=True)
    plain = Config(dict())
    set_speed(plain, parser.parse_args([]))
    assert 'speed' not in plain


@pytest.mark.parametrize(
    'name, dtype, scale', [('fp16', 'float16', 'dynamic'), ('bf16', 'bfloat16', 1)]
)
def test_mixed_precision(
    monkeypatch: pytest.MonkeyPatch, name: str, dtype: str, scale: object
) -> None:
    monkeypatch.setattr('mmengine.device.get_device', lambda: 'cuda')
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda emulated: True)
    config = Config(
        dict(optim_wrapper=dict(type='mmengine.OptimWrapper', optimizer=dict(type='SGD')))
    )
    set_amp(config, name)
    assert config.optim_wrapper.type == 'mmengine.AmpOptimWrapper'
    assert (config.optim_wrapper.dtype, config.optim_wrapper.loss_scale) == (dtype, scale)
    monkeypatch.setattr('mmengine.device.get_device', lambda: 'cpu')
    with pytest.raises(ValueError, match='--amp needs a GPU'):
        set_amp(config, name)


def test_every_backbone_is_compiled_once() -> None:
    model = small_model('cosa_voc')
    assert len(backbones(model)) == 2  # online and assignment network
    names = list(model.state_dict())
    prepare_network(model, dict(compile=True))
    assert all(backbone._compiled_call_impl is not None for backbone in backbones(model))
    assert list(model.state_dict()) == names


def test_cuda_graphs_of_the_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    modes, steps = [], []
    monkeypatch.setattr(torch.nn.Module, 'compile', lambda self, mode=None: modes.append(mode))
    monkeypatch.setattr(torch.compiler, 'cudagraph_mark_step_begin', lambda: steps.append('begins'))
    model = small_model('mctformer_plus_voc').eval()
    prepare_network(model, dict(compile=True, cuda_graphs=True))
    model(torch.zeros(1, 3, 64, 64))
    assert modes == ['reduce-overhead'] and steps == ['begins']
    prepare_network(model, dict(compile=True))
    assert modes[1:] == [None]


def test_channels_last_and_unknown_switches() -> None:
    model = small_model('deeplabv2_r101_voc_pseudo')
    prepare_network(model, dict(channels_last=True))
    weight = model.backbone.layer1[0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    with pytest.raises(ValueError, match="speed has no switch 'turbo'; switches: tf32"):
        prepare_network(model, dict(turbo=True))


def test_tf32_is_a_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    monkeypatch.setattr(torch, 'set_float32_matmul_precision', said.append)
    prepare_network(torch.nn.Linear(1, 1), dict(tf32=False))
    assert said == []
    prepare_network(torch.nn.Linear(1, 1), dict(tf32=True))
    assert said == ['high']


def test_a_gpu_is_fed_and_its_optimizer_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mmengine.device.get_device', lambda: 'cuda')
    config = config_module.load_config('configs/mctformer_plus_voc.py')
    loader = config.train_dataloader
    assert loader.pin_memory and loader.persistent_workers and loader.prefetch_factor == 4
    assert loader.collate_fn.type == 'mmwsss.stack_collate'
    assert 'pin_memory' not in config.val_dataloader and config.val_dataloader.prefetch_factor == 4
    assert config.optim_wrapper.optimizer.fused
    assert config.default_hooks.runtime_info.type == 'mmwsss.DeferredInfoHook'
    kept = config_module.load_config(
        'configs/psa_voc.py', cfg_options={'optim_wrapper.optimizer.fused': False}
    )
    assert kept.optim_wrapper.optimizer.fused is False
