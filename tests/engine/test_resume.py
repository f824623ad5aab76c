"""A resumed run: what it goes on from, what it keeps, what it changes."""

import logging
import pickle
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from mmwsss.apis import build_runner
from mmwsss.engine.resume import changed_settings, fast_forward
from mmwsss.utils.compat import load_weights_only
from mmwsss.utils.config_text import parse_config_text
from mmwsss.utils.io import read_json
from tests.engine.toy_runs import toy_config

NO_VALIDATION = dict(val_evaluator=None, val_dataloader=None, val_cfg=None)


class Rates(Hook):
    """Remembers rate and weight decay of each iteration."""

    def __init__(self):
        self.rates, self.decays = [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        groups = runner.optim_wrapper.optimizer.param_groups
        self.rates.append(max(group['lr'] for group in groups))
        self.decays.append(max(group['weight_decay'] for group in groups))


def run(root, folder, *, resume=None, warnings=None, **options):
    """Train; returns the runner and what :class:`Rates` saw."""
    config = toy_config(root, folder, **options)
    if resume is not None:
        config.resume, config.load_from = True, None if resume == 'auto' else str(resume)
    runner = build_runner(config, 'train')
    rates = Rates()
    runner.register_hook(rates)
    if warnings is not None:
        runner.logger.warning = warnings.append
    runner.train()
    return runner, rates


def weights(path):
    return load_weights_only(path, map_location='cpu')['state_dict']


def same_weights(one, other):
    one, other = weights(one), weights(other)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


SCHEDULE = [
    dict(type='mmwsss.WarmupCosineLR', warmup=1, warmup_lr=1e-6, min_lr=1e-5, lag=0, by_epoch=True)
]


def schedule(end):
    return dict(param_scheduler=[dict(SCHEDULE[0], end=end)])


def test_longer_schedule_and_other_rates_act(toy_root, tmp_path):
    run(toy_root, tmp_path / 'first', epochs=2, **schedule(2), **NO_VALIDATION)
    first = tmp_path / 'first' / 'epoch_2.pth'
    _, fresh = run(toy_root, tmp_path / 'fresh', epochs=4, **schedule(4), **NO_VALIDATION)
    said = []
    options = dict(epochs=4, **schedule(4), **NO_VALIDATION)
    _, longer = run(toy_root, tmp_path / 'longer', resume=first, warnings=said, **options)
    assert longer.rates == pytest.approx(fresh.rates[4:], rel=1e-12)
    assert any('train_cfg.max_epochs 2 -> 4' in line for line in said)
    said.clear()
    lower = {'optim_wrapper.optimizer.lr': 1e-4, 'optim_wrapper.optimizer.weight_decay': 0.5}
    _, lowered = run(
        toy_root, tmp_path / 'lower', resume=first, warnings=said, **{**options, **lower}
    )
    _, fresh_lower = run(toy_root, tmp_path / 'fresh_lower', **{**options, **lower})
    assert lowered.rates == pytest.approx(fresh_lower.rates[4:], rel=1e-12)
    assert set(lowered.decays) == {0.5}
    line = next(line for line in said if '--resume' in line)
    assert 'optim_wrapper.optimizer.lr' in line and 'weight_decay 0.05 -> 0.5' in line


def test_unchanged_config_says_nothing_and_keeps_every_bit(toy_root, tmp_path):
    options = dict(epochs=2, **NO_VALIDATION)
    run(toy_root, tmp_path / 'whole', **options)
    run(toy_root, tmp_path / 'parts', **{**options, 'epochs': 2})
    said = []
    (tmp_path / 'parts' / 'epoch_2.pth').unlink()
    run(toy_root, tmp_path / 'parts', resume='auto', warnings=said, **options)
    assert same_weights(tmp_path / 'whole' / 'epoch_2.pth', tmp_path / 'parts' / 'epoch_2.pth')
    assert not [line for line in said if 'differs' in line]
    assert any('epoch_1.pth: the newest whole checkpoint' in line for line in said)


def test_nothing_to_resume_is_said(toy_root, tmp_path):
    said = []
    runner, _ = run(toy_root, tmp_path, resume='auto', warnings=said, epochs=1, **NO_VALIDATION)
    assert runner.epoch == 1
    assert any(f'nothing to resume in {tmp_path}' in line for line in said)


@pytest.mark.parametrize(
    'damage, message',
    [
        (lambda content: list(content), 'holds a list'),
        (lambda content: content['state_dict'], 'no state of a training'),
        (lambda content: dict(content, meta='later'), 'no state of a training'),
        (lambda content: dict(content, meta=dict(content['meta'], epoch='2')), 'no state of a tr'),
    ],
)
def test_files_that_no_run_can_go_on_from(toy_root, tmp_path, damage, message):
    run(toy_root, tmp_path / 'run', epochs=1, **NO_VALIDATION)
    path = tmp_path / 'run' / 'epoch_1.pth'
    torch.save(damage(torch.load(path, weights_only=False)), path)
    with pytest.raises(ValueError, match=f'{path}.*{message}'):
        run(toy_root, tmp_path / 'again', resume=path, epochs=2, **NO_VALIDATION)


def test_another_optimizer_is_refused(toy_root, tmp_path):
    run(toy_root, tmp_path / 'run', epochs=1, **NO_VALIDATION)
    options = {
        'optim_wrapper.optimizer': dict(
            _delete_=True, type='SGD', lr=0.1, momentum=0.9, weight_decay=0.1
        )
    }
    with pytest.raises(ValueError, match='its optimizer does not fit.*load_from='):
        run(
            toy_root,
            tmp_path / 'again',
            resume=tmp_path / 'run' / 'epoch_1.pth',
            epochs=2,
            **options,
            **NO_VALIDATION,
        )


def test_config_inside_a_checkpoint_is_never_executed(toy_root, tmp_path):
    run(toy_root, tmp_path / 'run', epochs=1, **NO_VALIDATION)
    path, trace = tmp_path / 'run' / 'epoch_1.pth', tmp_path / 'executed'
    content = torch.load(path, weights_only=False)
    code = f'import pathlib\npathlib.Path({str(trace)!r}).touch()\ngpu_ids = [0, 1]\n'
    content['meta'].update(config=code, cfg=code)
    torch.save(content, path)
    runner, _ = run(toy_root, tmp_path / 'again', resume=path, epochs=2, **NO_VALIDATION)
    assert runner.epoch == 2 and not trace.exists()


def test_final_validation_is_repeated_if_it_was_not_finished(toy_root, tmp_path):
    run(toy_root, tmp_path, epochs=1)
    names = ('metrics.json', 'curves.json')
    before = {name: (tmp_path / name).read_bytes() for name in names}
    (tmp_path / 'metrics.json').unlink()  # a kill before the first of the two files,
    (tmp_path / 'curves.json').unlink()
    run(toy_root, tmp_path, resume='auto', epochs=1)
    assert {name: (tmp_path / name).read_bytes() for name in names} == before
    (tmp_path / 'metrics.json').unlink()  # or between them
    run(toy_root, tmp_path, resume='auto', epochs=1)
    assert {name: (tmp_path / name).read_bytes() for name in names} == before
    stamp = (tmp_path / 'metrics.json').stat().st_mtime_ns
    run(toy_root, tmp_path, resume='auto', epochs=1)  # nothing is owed any more
    assert (tmp_path / 'metrics.json').stat().st_mtime_ns == stamp
    assert read_json(tmp_path / 'metrics.json')['protocol']['iteration'] == 2


def test_checkpoint_inside_an_open_group_keeps_its_gradients(toy_root, tmp_path):
    # two iterations per epoch, groups of three: epoch 1 ends inside a group
    options = {'optim_wrapper.accumulative_counts': 3, **NO_VALIDATION}
    run(toy_root, tmp_path / 'whole', epochs=3, **options)
    run(
        toy_root,
        tmp_path / 'parts',
        resume=tmp_path / 'whole' / 'epoch_1.pth',
        epochs=3,
        **options,
    )
    names = [tmp_path / folder / 'epoch_3.pth' for folder in ('whole', 'parts')]
    assert same_weights(*names)
    assert not same_weights(names[0], tmp_path / 'whole' / 'epoch_1.pth')


def test_fast_forward_equals_training():
    from mmengine.optim import CosineAnnealingLR, LinearLR, MultiStepLR

    def build():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        return optimizer, [
            LinearLR(optimizer, start_factor=0.1, by_epoch=False, begin=0, end=5),
            CosineAnnealingLR(optimizer, T_max=20, by_epoch=False, begin=5, end=25),
            MultiStepLR(optimizer, milestones=[2], by_epoch=True),
        ]

    optimizer, schedulers = build()
    for iteration in range(12):
        optimizer.step()
        for scheduler in schedulers[:2]:
            scheduler.step()
        if iteration % 4 == 3:
            schedulers[2].step()
    other, fresh = build()
    fast_forward(fresh, 12, 3)
    assert other.param_groups[0]['lr'] == optimizer.param_groups[0]['lr'] != 1.0
    assert [s.last_step for s in fresh] == [s.last_step for s in schedulers]


def test_config_text_is_data():
    text = (
        "a = dict(b=[1, -2.5, (None, True)], **{'c.d': 'x'})\n"
        'b = __import__("os").getcwd()\nimport os\nos.x = 3\n'
    )
    assert parse_config_text(text) == dict(
        a={'b': [1, -2.5, (None, True)], 'c.d': 'x'}, b="__import__('os').getcwd()"
    )
    assert parse_config_text('not python (') is None
    assert changed_settings(None, None) is None and changed_settings('x(', None) is None


def test_pickle_in_the_place_of_a_checkpoint_is_refused(toy_root, tmp_path):
    path = Path(tmp_path) / 'epoch_1.pth'
    path.write_bytes(pickle.dumps(dict(state_dict=logging.Logger)))
    with pytest.raises(ValueError, match='epoch_1.pth'):
        run(toy_root, tmp_path / 'run', resume=path, epochs=1, **NO_VALIDATION)
