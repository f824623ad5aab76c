"""A training killed at every step of writing, or on a full disk, goes on to the same result."""

import errno
import os
import re
from pathlib import Path

import pytest
import torch

from mmwsss.apis import build_runner
from mmwsss.utils.checkpoint_files import is_whole
from mmwsss.utils.compat import load_weights_only
from mmwsss.utils.io import read_json
from tests.engine.toy_runs import toy_config

OPTIONS = {
    'default_hooks.checkpoint.max_keep_ckpts': 1,
    'default_hooks.checkpoint.save_best': 'cam/mIoU',
    'default_hooks.checkpoint.rule': 'greater',
    'train_cfg.val_interval': 1,
}
STEPS = ('open', 'write', 'fsync', 'replace', 'remove')


class Killed(BaseException):
    """In the place of SIGKILL: passes every handler of ``Exception``."""


class Faults:
    """Ends the process at the n-th call of what writing to a disk consists of.

    The clean-up that a killed process does not do is left out: after the fault nothing is removed.
    """

    def __init__(self, monkeypatch, at=None, error=Killed):
        self.calls, self.at, self.error, self.dead = [], at, error, False
        for step, name in (('fsync', 'fsync'), ('replace', 'replace'), ('remove', 'remove')):
            monkeypatch.setattr(os, name, self.watch(step, getattr(os, name)))
        unlink = Path.unlink
        monkeypatch.setattr(
            Path, 'unlink', lambda path, **options: self.dead or unlink(path, **options)
        )

    def watch(self, step, function):
        def watched(*args, **options):
            self.calls.append((step, re.sub(r'\.[\w]{8}\.part', '.part', str(args[-1]))))
            if len(self.calls) - 1 == self.at:
                self.dead = self.error is Killed
                raise self.error
            return function(*args, **options)

        return watched


def run(root, folder, *, resume=True):
    config = toy_config(root, folder, epochs=3, **OPTIONS)
    config.resume = resume
    runner = build_runner(config, 'train')
    runner.train()
    return runner


def result(folder):
    """Everything a run is for; the clock is no part of it."""
    return dict(
        weights=load_weights_only(folder / 'epoch_3.pth')['state_dict'],
        best=load_weights_only(*folder.glob('best_*.pth'))['state_dict'],
        metrics=read_json(folder / 'metrics.json'),
        curves=read_json(folder / 'curves.json'),
        files=sorted(path.name for path in folder.iterdir() if not path.is_dir()),
    )


def same(one, other):
    tensors = all(
        one[part].keys() == other[part].keys()
        and all(torch.equal(one[part][name], other[part][name]) for name in one[part])
        for part in ('weights', 'best')
    )
    return tensors and all(one[part] == other[part] for part in ('metrics', 'curves', 'files'))


@pytest.fixture(scope='module')
def uninterrupted(toy_root, tmp_path_factory):
    """Result of the whole run, and every step of its writing."""
    folder = tmp_path_factory.mktemp('whole') / 'run'
    with pytest.MonkeyPatch.context() as patch:
        faults = Faults(patch)
        run(toy_root, folder, resume=False)
    return result(folder), faults.calls


def points(calls):
    """First and last step of each kind on each kind of file: the others repeat them."""
    kinds = {}
    for index, (step, target) in enumerate(calls):
        kind = re.sub(r'\d+', 'N', Path(target).name)
        kinds.setdefault((step, kind), []).append(index)
    return sorted({index for found in kinds.values() for index in (found[0], found[-1])})


@pytest.mark.slow
def test_killed_at_every_step_of_writing(toy_root, tmp_path, uninterrupted):
    whole, calls = uninterrupted
    chosen = points(calls)
    assert {step for step, _ in calls} == {'fsync', 'replace', 'remove'} and len(chosen) > 10
    for index in chosen:
        folder = tmp_path / f'run_{index}'
        with pytest.MonkeyPatch.context() as patch:
            Faults(patch, at=index)
            with pytest.raises(Killed):
                run(toy_root, folder)
        run(toy_root, folder)
        assert same(result(folder), whole), f'killed at {index}: {calls[index]}'


def test_full_disk_leaves_a_run_that_goes_on(toy_root, tmp_path, uninterrupted):
    whole, calls = uninterrupted
    index = [step for step, (kind, name) in enumerate(calls) if 'epoch_2.pth' in name][0]
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.MonkeyPatch.context() as patch:
        Faults(patch, at=index, error=full)
        with pytest.raises(OSError, match=r'epoch_2\.pth: cannot be written, no space left'):
            run(toy_root, tmp_path)
    assert is_whole(tmp_path / 'epoch_1.pth') and not list(tmp_path.glob('.*.part'))
    run(toy_root, tmp_path)
    assert same(result(tmp_path), whole)


def test_old_one_goes_only_after_pointer_and_new_one(uninterrupted):
    _, calls = uninterrupted
    names = [(step, Path(target).name) for step, target in calls]
    new = names.index(('replace', 'epoch_2.pth'))
    pointer = names.index(('replace', 'last_checkpoint'), new)
    assert new < pointer < names.index(('remove', 'epoch_1.pth'))
