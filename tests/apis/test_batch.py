"""The total batch of every training config on any number of processes."""

import copy
import random

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.optim import build_optim_wrapper
from torch.utils.data import DataLoader

from mmwsss.apis.batch import (
    count_processes,
    count_updates,
    plan_batch,
    recipe_updates,
    summary_lines,
)
from mmwsss.apis.config import override, read_config
from mmwsss.registry import PARAM_SCHEDULERS
from tests.tools.program import CONFIGS

FILES = sorted(
    path
    for folder in ('', 'ablations', 'msrc21')
    for path in (CONFIGS / folder).glob('*.py')
    if {'train_dataloader', 'optim_wrapper'} <= set(Config.fromfile(path))
)
PROCESSES = 1, 2, 4
IMAGES = dict(voc=10_582, coco=82_081, openimages=29_819)


def planned(path, processes, options=None, **how):
    recipe = read_config(path)
    config = copy.deepcopy(recipe)
    if options:
        override(config, options)
    return config, plan_batch(config, recipe, processes=processes, options=options, **how)


def steps_per_epoch(config, num_images, processes, monkeypatch):
    """Length of the data loader of each process, by the samplers themselves."""
    loader, lengths = config.train_dataloader, set()
    kind = DefaultSampler if loader.sampler.type.endswith('DefaultSampler') else InfiniteSampler
    for rank in range(processes):
        monkeypatch.setattr(
            'mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, processes)
        )
        sampler = kind(range(num_images), shuffle=False, seed=0)
        lengths.add(
            len(
                DataLoader(
                    range(num_images),
                    sampler=sampler,
                    batch_size=loader.batch_size,
                    drop_last=loader.drop_last,
                )
            )
        )
    (length,) = lengths
    return length


def first_rates(config, epoch_length, steps=40):
    """Learning rates of the first updates, as a runner's schedules set them."""
    wrapper = dict(type='mmengine.OptimWrapper', optimizer=config.optim_wrapper.optimizer)
    optimizer = build_optim_wrapper(torch.nn.Linear(2, 2), wrapper).optimizer
    schedules = []
    for settings in copy.deepcopy(config.param_scheduler):
        settings = dict(settings)
        if settings.pop('convert_to_iter_based', False):
            kind = PARAM_SCHEDULERS.get(settings.pop('type'))
            schedules.append(
                kind.build_iter_from_epoch(
                    **settings, optimizer=optimizer, epoch_length=epoch_length
                )
            )
        else:
            schedules.append(PARAM_SCHEDULERS.build(dict(settings, optimizer=optimizer)))
    rates = []
    for step in range(steps * config.optim_wrapper.get('accumulative_counts', 1)):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for schedule in schedules:
            if not schedule.by_epoch or (step + 1) % epoch_length == 0:
                schedule.step()
    return rates


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_every_config_on_any_number_of_processes(path, monkeypatch):
    """Updates and learning rates are those of one process; else the error says what to do."""
    recipe = read_config(path)
    total = recipe.total_batch_size
    accumulation = recipe.optim_wrapper.get('accumulative_counts', 1)
    num_images = next((IMAGES[name] for name in IMAGES if name in path.stem), 400)
    assert recipe.train_dataloader.batch_size * accumulation == total
    seen = []
    for processes in PROCESSES:
        if total % (processes * accumulation):
            with pytest.raises(ValueError, match=f'total_batch_size={total} cannot be divided by'):
                planned(path, processes)
            continue
        config, plan = planned(path, processes)
        assert plan.total == plan.recipe_total == total and not plan.note
        assert plan.per_process * processes * accumulation == total
        assert plan.lr == plan.recipe_lr == recipe.optim_wrapper.optimizer.lr
        length = steps_per_epoch(config, num_images, processes, monkeypatch)
        updates = count_updates(config, length)
        assert updates == recipe_updates(recipe, num_images) > 0
        epoch = max(length, 1) if config.train_cfg.get('max_epochs') else 10**9
        seen.append((updates, first_rates(config, epoch), config.param_scheduler))
    assert seen and all(entry == seen[0] for entry in seen)


def test_accumulation_keeps_updates_and_schedule():
    """In loops by iteration the counts grow with it, but for those that are given."""
    path = CONFIGS / 'deeplabv1_r38_voc_pseudo.py'
    config, plan = planned(path, 2, {'optim_wrapper.accumulative_counts': 2})
    assert (plan.per_process, plan.total, plan.accumulation) == (1, 4, 2)
    assert config.train_cfg.max_iters == config.train_cfg.val_interval == 2 * 79_350
    assert config.param_scheduler[0].end == 2 * 79_351
    assert config.default_hooks.checkpoint.interval == 2 * 2645
    assert count_updates(config, 100) == 79_350
    options = {'optim_wrapper.accumulative_counts': 2, 'train_cfg.max_iters': 100}
    assert planned(path, 1, options)[0].train_cfg.max_iters == 100
    config, plan = planned(
        CONFIGS / 'mctformer_plus_voc.py', 1, {'optim_wrapper.accumulative_counts': 4}
    )
    assert plan.per_process == 8 and count_updates(config, 1322) == 45 * 1322 // 4
    with pytest.raises(ValueError, match='changes the meaning of the iterations'):
        planned(CONFIGS / 'cosa_voc.py', 1, {'optim_wrapper.accumulative_counts': 2})


def test_explicit_ways_out():
    path = CONFIGS / 'mctformer_plus_voc.py'
    config, plan = planned(path, 4, batch_size_per_gpu=32)
    assert plan.total == 128 and plan.lr == plan.recipe_lr and plan.note == '--batch-size-per-gpu'
    config, plan = planned(path, 4, auto_scale_lr=True)
    assert plan.total == 128 and plan.lr == pytest.approx(4 * plan.recipe_lr)
    assert config.auto_scale_lr == dict(enable=True, base_batch_size=32)
    config, plan = planned(path, 2, {'train_dataloader.batch_size': 2})
    assert plan.total == 4 and plan.per_process == 2 and 'batch_size=2' in plan.note
    config, plan = planned(path, 2, {'total_batch_size': 64})
    assert plan.per_process == 32 and plan.total == 64 and plan.recipe_total == 32
    config, plan = planned(CONFIGS / 'deeplabv2_r101_voc_pseudo.py', 2, auto_scale_lr=True)
    assert config.auto_scale_lr.base_batch_size == 5 and plan.lr == pytest.approx(5e-4)
    with pytest.raises(ValueError, match='makes 4 with 2 processes.*leave one of them out'):
        planned(path, 2, {'train_dataloader.batch_size': 2, 'total_batch_size': 64})


def test_a_config_of_its_own_batch(tmp_path):
    """A file that changes the batch alone means the batch of each process."""
    file = tmp_path / 'mine.py'
    file.write_text(
        f"_base_ = '{CONFIGS}/mctformer_plus_toy.py'\ntrain_dataloader = dict(batch_size=2)"
    )
    plan = planned(file, 2)[1]
    assert plan.total == 4 and plan.recipe_total == 32 and plan.note
    file.write_text('train_dataloader = dict(batch_size=2)\noptim_wrapper = dict(optimizer=dict())')
    with pytest.raises(ValueError, match='--auto-scale-lr needs total_batch_size'):
        planned(file, 1, auto_scale_lr=True)


def test_the_remedies_are_named():
    with pytest.raises(ValueError) as error:
        planned(CONFIGS / 'mctformer_plus_voc.py', 3)
    text = str(error.value)
    assert 'use 1 or 2 or 4 or 8 or 16 or 32 processes' in text and '\n' not in text
    assert '--batch-size-per-gpu' in text and '--auto-scale-lr' in text


def test_processes_of_a_launcher(monkeypatch):
    monkeypatch.setenv('WORLD_SIZE', '4')
    monkeypatch.setenv('SLURM_NTASKS', '8')
    assert count_processes('none') == 1 and count_processes('pytorch') == 4
    assert count_processes('slurm') == 8
    plan = planned(CONFIGS / 'mctformer_plus_voc.py', 4)[1]
    lines = summary_lines(plan, 14_850, 14_850)
    assert 'total batch 32 (recipe: 32) = 8 images x 4 processes x 1' in lines[0]
    assert lines[1] == 'updates 14850 (recipe: 14850)'


# Gradients of the first step ----------------------------------------------------------------------

# means over images; batch statistics and means over labelled pixels or pairs belong to a process
REPRESENTATIVE = 'mctformer_plus_voc', 'mctformer_v2_voc', 'mctformer_v1_voc'


def prepare(name, processes):
    """A small network of a config, the batch of all processes, and that of one."""
    from mmwsss.apis import load_config
    from tests.test_configs import batch, build, tiny

    recipe = read_config(CONFIGS / f'{name}.py')
    recipe.optim_wrapper.pop('accumulative_counts', None)
    recipe.total_batch_size = recipe.train_dataloader.batch_size = 4
    config = load_config(copy.deepcopy(recipe))
    plan = plan_batch(config, recipe, processes=processes)
    config = tiny(config)
    config.model.backbone.pop('drop_path_rate', None)
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(0)
    network = build(config).train()
    for module in network.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
    images = batch(config, network, plan.total)
    return network, images, plan.per_process


def part(images, rank, processes):
    """Images of a process, as the samplers deal them out."""
    return {key: value[rank::processes] for key, value in images.items()}


def gradient(model, network, images):
    """Gradient of the losses of some images; ``model`` may wrap the network."""
    network.zero_grad()
    losses = model(**network.data_preprocessor(images, True), mode='loss')
    network.parse_losses(losses)[0].backward()
    return torch.cat(
        [weight.grad.flatten() for weight in network.parameters() if weight.grad is not None]
    )


@pytest.mark.parametrize('name', REPRESENTATIVE)
def test_processes_average_to_the_gradient_of_one(name):
    """What DDP computes, in one process."""
    network, images, total = prepare(name, 1)
    assert len(images['inputs']) == total == 4
    expected = gradient(network, network, copy.deepcopy(images))
    assert expected.abs().max() > 1e-4
    for processes in (2, 4):
        parts = [part(copy.deepcopy(images), rank, processes) for rank in range(processes)]
        assert {len(own['inputs']) for own in parts} == {prepare(name, processes)[2]}
        found = sum(gradient(network, network, own) for own in parts) / processes
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
