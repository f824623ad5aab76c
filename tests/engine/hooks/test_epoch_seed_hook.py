"""A resumed run is the run that was never interrupted."""

import random

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmwsss.engine.hooks import EpochSeedHook
from mmwsss.utils.compat import restart_workers
from tests.engine.toy_runs import toy_config, train

WITHOUT_VALIDATION = dict(val_evaluator=None, val_dataloader=None, val_cfg=None)


def segmentation_options(toy_root):
    """A narrow network, trained on true masks."""
    return {
        'train_dataloader.dataset.data_prefix.pseudo_mask_path': str(
            toy_root / 'SegmentationClass'
        ),
        'model.backbone.base_channels': 8,
        'model.backbone.stem_channels': 8,
        'model.decode_head.in_channels': 64,
        'model.decode_head.c1_in_channels': 8,
        'model.decode_head.channels': 16,
    }


@pytest.mark.parametrize('workers', [0, 1])
def test_resume_equals_an_uninterrupted_run(toy_root, tmp_path, workers):
    def run(folder, epochs, resume=False):
        config = toy_config(
            toy_root,
            tmp_path / folder,
            epochs=epochs,
            workers=workers,
            hooks=[dict(type='mmwsss.EpochSeedHook')],
            **{
                'param_scheduler.0.end': 2,
                'model.backbone.drop_path_rate': 0.3,
                'resume': resume,
                **WITHOUT_VALIDATION,
            },
        )
        runner = train(config)
        # ends them; a garbage collector would wait five seconds for each
        restart_workers(runner.train_loop.dataloader)
        return runner

    whole, first = run('whole', 2), run('parts', 1)
    second = run('parts', 2, resume=True)
    assert first.iter == 2 and second.iter == whole.iter == 4
    expected = whole.model.state_dict()
    for name, value in second.model.state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert not torch.equal(
        first.model.state_dict()['backbone.cls_token'], expected['backbone.cls_token']
    )
    ours, theirs = (runner.optim_wrapper.optimizer.state_dict() for runner in (second, whole))
    assert ours['param_groups'] == theirs['param_groups']
    for index, state in theirs['state'].items():
        assert all(torch.equal(ours['state'][index][key], value) for key, value in state.items())


@pytest.mark.parametrize(
    ('name', 'workers'), [('mcc_toy', 0), ('mcc_toy', 1), ('deeplabv3plus_r18_toy_pseudo', 1)]
)
def test_resume_by_iteration_equals_an_uninterrupted_run(toy_root, tmp_path, name, workers):
    segmentation = segmentation_options(toy_root) if 'pseudo' in name else {}

    def run(folder, iterations, resume=False):
        config = toy_config(
            toy_root,
            tmp_path / folder,
            config=f'{name}.py',
            workers=workers,
            **segmentation,
            **{
                'train_cfg.max_iters': iterations,
                'default_hooks.checkpoint.interval': iterations,
                'resume': resume,
                **WITHOUT_VALIDATION,
            },
        )
        runner = train(config)
        # ends its processes; a garbage collector would wait five seconds for each
        restart_workers(runner.train_loop.dataloader)
        del runner.train_loop.dataloader_iterator
        return runner

    whole, first = run('whole', 4), run('parts', 2)
    second = run('parts', 4, resume=True)
    assert first.iter == 2 and second.iter == whole.iter == 4
    expected, before = whole.model.state_dict(), first.model.state_dict()
    for key, value in second.model.state_dict().items():
        assert torch.equal(value, expected[key]), key
    assert any(not torch.equal(value, expected[key]) for key, value in before.items())


class Draws(Hook):
    """Remembers what would be drawn in each epoch."""

    def __init__(self):
        self.seen = []

    def before_train_epoch(self, runner):
        self.seen.append((random.random(), np.random.rand(), torch.rand(()).item()))


def test_each_epoch_and_seed_has_its_own_numbers(toy_root, tmp_path):
    seen = []
    for seed in (0, 0, 1):
        draws = Draws()
        config = toy_config(
            toy_root,
            tmp_path / str(len(seen)),
            epochs=2,
            **{'randomness.seed': seed},
            **WITHOUT_VALIDATION,
        )
        config.custom_hooks = [dict(type='mmwsss.EpochSeedHook')]
        runner = Runner.from_cfg(config)
        runner.register_hook(draws)
        runner.train()
        seen.append(draws.seen)
    assert seen[0] == seen[1] != seen[2]
    assert len({number for epoch in (*seen[0], *seen[2]) for number in epoch}) == 12


def test_loops_by_iteration_are_left_alone():
    class ByIteration:
        train_loop = object()

    before = torch.get_rng_state()
    EpochSeedHook().before_train_epoch(ByIteration())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['mctformer_plus_toy', 'mcc_toy', 'deeplabv3plus_r18_toy_pseudo'])
def test_the_result_does_not_depend_on_the_number_of_workers(toy_root, tmp_path, name):
    segmentation = segmentation_options(toy_root) if 'pseudo' in name else {}
    by_epoch = name.startswith('mct')
    length = (
        dict(epochs=2, hooks=[dict(type='mmwsss.EpochSeedHook')])
        if by_epoch
        else {'train_cfg.max_iters': 3}
    )
    weights = []
    for workers in (0, 1, 2):
        config = toy_config(
            toy_root,
            tmp_path / str(workers),
            config=f'{name}.py',
            workers=workers,
            **segmentation,
            **length,
            **WITHOUT_VALIDATION,
        )
        runner = train(config)
        weights.append(runner.model.state_dict())
        restart_workers(runner.train_loop.dataloader)
        runner.train_loop.__dict__.pop('dataloader_iterator', None)
    for other in weights[1:]:
        for key, value in weights[0].items():
            assert torch.equal(value, other[key]), key
