"""A training killed at every step of writing, or on a full disk, goes on to the same result."""

import errno
import os
import re
from pathlib import Path

import pytest

from mmwsss.utils.checkpoint_files import is_whole
from tests.soak.faults import Faults, Killed
from tests.soak.training import result, run, same


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
