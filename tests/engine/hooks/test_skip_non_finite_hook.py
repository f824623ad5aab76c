"""Steps without finite gradients."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmwsss.engine.hooks import SkipNonFiniteHook
from tests.device.emulated_device import emulated_device  # noqa: F401  the fixture
from tests.engine.toy_runs import toy_config

WITHOUT_VALIDATION = dict(val_evaluator=None, val_dataloader=None, val_cfg=None)


class Spoil(Hook):
    """Makes a gradient of some steps bad, and remembers a weight before and after each."""

    def __init__(self, steps, value):
        self.steps, self.value, self.weights = steps, value, []

    def before_train(self, runner):
        self.weight = runner.model.patch_head.conv.weight
        self.weight.register_hook(
            lambda grad: grad * self.value if runner.iter in self.steps else grad
        )

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.weights.append([self.weight.detach().clone()])

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.weights[-1].append(self.weight.detach().clone())


def spoilt_run(root, work_dir, steps, value=float('nan'), limit=50, **options):
    config = toy_config(root, work_dir, epochs=2, **options, **WITHOUT_VALIDATION)
    config.custom_hooks = [
        hook for hook in config.custom_hooks if hook.type != 'mmwsss.SkipNonFiniteHook'
    ]
    runner = Runner.from_cfg(config)
    hook, spoil = SkipNonFiniteHook(limit), Spoil(steps, value)
    runner.register_hook(hook)
    runner.register_hook(spoil)
    return runner, hook, spoil


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
@pytest.mark.parametrize('clip_grad', [None, dict(max_norm=1.0)])
def test_bad_steps_are_left_out(toy_root, tmp_path, value, clip_grad, caplog):
    runner, hook, spoil = spoilt_run(
        toy_root, tmp_path, (1, 2), value, **{'optim_wrapper.clip_grad': clip_grad}
    )
    runner.train()
    assert [torch.equal(*pair) for pair in spoil.weights] == [False, True, True, False]
    assert (hook.skipped, hook.in_a_row) == (2, 0)
    assert all(parameter.isfinite().all() for parameter in runner.model.parameters())
    steps = [state['step'] for state in runner.optim_wrapper.optimizer.state.values()]
    assert steps and all(step == 2 for step in steps)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_a_fused_optimizer_leaves_bad_steps_out_itself(toy_root, tmp_path, value):
    runner, hook, spoil = spoilt_run(
        toy_root, tmp_path, (1, 2), value, **{'optim_wrapper.optimizer.fused': True}
    )
    hook.on_device = True
    runner.train()
    assert [torch.equal(*pair) for pair in spoil.weights] == [False, True, True, False]
    assert (hook.skipped, hook.in_a_row) == (2, 0)
    assert all(parameter.isfinite().all() for parameter in runner.model.parameters())
    steps = [state['step'] for state in runner.optim_wrapper.optimizer.state.values()]
    assert steps and all(step == 2 for step in steps)
    assert not hasattr(runner.optim_wrapper.optimizer, 'found_inf')


def test_too_many_in_a_row_are_seen_at_the_next_look(toy_root, tmp_path):
    runner, hook, _ = spoilt_run(
        toy_root, tmp_path, (0, 1), limit=2, **{'optim_wrapper.optimizer.fused': True}
    )
    hook.on_device, hook.interval = True, 3
    with pytest.raises(FloatingPointError, match='step 3: the gradients of 2 steps in a row'):
        runner.train()
    assert hook.skipped == 2


def test_nobody_waits_for_the_gradients_of_a_fused_optimizer(emulated_device):  # noqa: F811
    hook = SkipNonFiniteHook()
    weight = emulated_device.put(torch.nn.Linear(3, 2)).weight
    optimizer = SimpleNamespace(param_groups=[dict(params=[weight], fused=True)])
    bad = []
    for factor in (1.0, float('nan'), float('inf'), 1.0):
        (weight * factor).sum().backward()
        hook._before_step(None, optimizer, (), {})
        bad.append(optimizer.found_inf.host.item())
        hook._after_step(optimizer, (), {})
        weight.grad = None
    assert not emulated_device.of('wait'), emulated_device.report('wait')
    assert bad == [0, 1, 1, 0]
    assert hook._counts.host.tolist() == [2, 0, 2]


def test_too_many_in_a_row(toy_root, tmp_path):
    runner, hook, spoil = spoilt_run(toy_root, tmp_path, (0, 2, 3), limit=2)
    with pytest.raises(
        FloatingPointError,
        match='step 4: the gradients of 2 steps in a row are not finite; lower the learning rate',
    ):
        runner.train()
    assert hook.skipped == 3 and all(
        parameter.isfinite().all() for parameter in runner.model.parameters()
    )


def test_is_part_of_every_run(toy_root, tmp_path):
    for config in ('mctformer_plus_toy.py', 'mcc_toy.py', 'cosa_toy.py', 'msrc21/cosa_msrc21.py'):
        hooks = toy_config(
            toy_root,
            tmp_path,
            config=config,
            **{'train_cfg.max_iters': 1} if 'plus' not in config else {},
        ).custom_hooks
        assert 'mmwsss.SkipNonFiniteHook' in [hook.type for hook in hooks], config
