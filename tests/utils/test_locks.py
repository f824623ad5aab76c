"""One job per folder."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from mmwsss.utils import locks
from mmwsss.utils.locks import (
    LOCK_NAME,
    FolderLock,
    describe_process,
    lock_folders,
    process_rank,
    process_start,
    void_reason,
)


def write_lock(folder, **changes):
    folder.mkdir(exist_ok=True)
    content = dict(describe_process(), tool='train.py', token='x')
    (folder / LOCK_NAME).write_text(json.dumps({**content, **changes}))


@pytest.fixture
def dead_pid():
    process = subprocess.Popen([sys.executable, '-c', ''])
    process.wait()
    return process.pid


def test_second_job_is_refused_in_one_line(tmp_path):
    with FolderLock(tmp_path / 'run', 'train.py'):
        with pytest.raises(ValueError) as caught:
            with FolderLock(tmp_path / 'run', 'test.py'):
                raise AssertionError('both hold the folder')
        message = str(caught.value)
        assert '\n' not in message and message.startswith(f'{tmp_path / "run"}: in use by train.py')
        assert f'host {socket.gethostname()}, process {os.getpid()}, since 20' in message
    with FolderLock(tmp_path / 'run', 'test.py'):
        assert (tmp_path / 'run' / LOCK_NAME).is_file()
    assert not (tmp_path / 'run').exists()  # it was made by the lock, and nothing was written


def test_folders_that_were_there_or_have_files_stay(tmp_path):
    with FolderLock(tmp_path / 'a' / 'b', 'x'):
        (tmp_path / 'a' / 'b' / 'result').touch()
    assert [path.name for path in (tmp_path / 'a' / 'b').iterdir()] == ['result']
    (tmp_path / 'empty').mkdir()
    with pytest.raises(KeyError), FolderLock(tmp_path / 'empty', 'x'):
        raise KeyError
    assert (tmp_path / 'empty').is_dir()
    (tmp_path / 'file').touch()
    with pytest.raises(ValueError, match='is a file'), FolderLock(tmp_path / 'file', 'x'):
        pass


def test_lock_of_a_dead_process_is_taken_over(tmp_path, dead_pid, capsys):
    write_lock(tmp_path, pid=dead_pid)
    with FolderLock(tmp_path, 'train.py'):
        pass
    assert re.search(rf'took over the lock of .* process {dead_pid}, .*', capsys.readouterr().err)


def test_another_process_of_the_same_number_does_not_count(tmp_path):
    write_lock(tmp_path, start='boot 1')
    with FolderLock(tmp_path, 'train.py'):
        pass


@pytest.mark.parametrize('changes', [dict(host='node7'), dict(space='pid:[1]')])
def test_lock_of_another_host_or_container_has_a_lease(tmp_path, changes, capsys):
    write_lock(tmp_path, pid=1, **changes)
    with pytest.raises(ValueError, match='in use by train.py on host'), FolderLock(tmp_path, 'x'):
        pass
    moment = (tmp_path / LOCK_NAME).stat().st_mtime - 700
    os.utime(tmp_path / LOCK_NAME, (moment, moment))
    with FolderLock(tmp_path, 'x'):
        pass
    assert 'gave no sign of life for 70' in capsys.readouterr().err


def test_unreadable_lock_counts_until_its_lease_ends(tmp_path):
    (tmp_path / LOCK_NAME).write_text('{')
    with pytest.raises(ValueError, match='not readable'), FolderLock(tmp_path, 'x'):
        pass
    os.utime(tmp_path / LOCK_NAME, (1, 1))
    with FolderLock(tmp_path, 'x'):
        pass


def test_signs_of_life(tmp_path):
    with FolderLock(tmp_path, 'x', heartbeat=0.01):
        lock = tmp_path / LOCK_NAME
        for _ in range(2):  # also after someone has tidied up
            if lock.exists():
                os.utime(lock, (1, 1))
            wait_until(lambda: lock.exists() and lock.stat().st_mtime > 1)
            lock.unlink()
            wait_until(lock.exists)


def wait_until(condition, limit=30):
    waiter = threading.Event()
    for _ in range(limit * 100):
        if condition():
            return
        waiter.wait(0.01)
    raise AssertionError('it never happened')


def test_job_that_lost_its_lock_is_interrupted(tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt), FolderLock(tmp_path, 'x', heartbeat=0.01):
        write_lock(tmp_path, token='another')
        threading.Event().wait(30)
    assert 'took the folder over; stopping' in capsys.readouterr().err
    assert json.loads((tmp_path / LOCK_NAME).read_text())['token'] == 'another'


def test_only_one_of_many_takes_over(tmp_path, dead_pid):
    write_lock(tmp_path, pid=dead_pid)
    held, refused, barrier, done = [], [], threading.Barrier(8), threading.Event()

    def job():
        barrier.wait()
        try:
            with FolderLock(tmp_path, 'x'):
                held.append(1)
                done.wait(30)
        except ValueError:
            refused.append(1)

    threads = [threading.Thread(target=job) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(held) + len(refused) == 8)
    done.set()
    for thread in threads:
        thread.join()
    assert len(held) == 1


def test_a_lock_that_another_job_has_just_taken_is_not_touched(tmp_path, dead_pid, monkeypatch):
    write_lock(tmp_path, pid=dead_pid)
    faster, judge = FolderLock(tmp_path, 'y'), locks.void_reason

    def overtaken(*args):
        monkeypatch.setattr(locks, 'void_reason', judge)
        reason = judge(*args)
        faster.__enter__()
        changed.append((tmp_path / LOCK_NAME).stat().st_ctime_ns)
        return reason

    changed = []
    monkeypatch.setattr(locks, 'void_reason', overtaken)
    with pytest.raises(ValueError, match='in use by y'), FolderLock(tmp_path, 'x'):
        pass
    assert (tmp_path / LOCK_NAME).stat().st_ctime_ns == changed[0]
    faster.__exit__(None, None, None)
    assert not list(tmp_path.iterdir())


def test_a_job_that_was_killed_while_it_took_over(tmp_path, dead_pid):
    guard = tmp_path / f'{LOCK_NAME}-takeover'
    write_lock(tmp_path, pid=dead_pid)
    shutil.copy(tmp_path / LOCK_NAME, guard)
    with FolderLock(tmp_path, 'x'):
        assert not guard.exists()


def test_first_process_locks_for_all(tmp_path, monkeypatch):
    monkeypatch.setenv('WORLD_SIZE', '2')
    monkeypatch.setenv('RANK', '1')
    assert process_rank() == 1
    with lock_folders(tmp_path, tool='x'):
        assert not (tmp_path / LOCK_NAME).exists()
    monkeypatch.setenv('RANK', '0')
    with lock_folders(tmp_path, tmp_path / '.', None, tmp_path / 'out', tool='x'):
        assert (tmp_path / LOCK_NAME).exists() and (tmp_path / 'out' / LOCK_NAME).exists()
    monkeypatch.setenv('WORLD_SIZE', '1')
    monkeypatch.setenv('RANK', '3')
    assert process_rank() == 0


def test_process_start(dead_pid):
    assert process_start(os.getpid()) == process_start(os.getpid()) is not None
    assert process_start(dead_pid) is None
    assert void_reason(describe_process(), 1e9, 600) is None  # alive, if silent


def test_what_killed_jobs_left_is_removed(tmp_path):
    for name in ('.metrics.json.x1.part', '.lock-old', '.lock-new'):
        (tmp_path / name).touch()
    os.utime(tmp_path / '.lock-old', (1, 1))
    (tmp_path / 'stage').mkdir()
    (tmp_path / 'stage' / '.a.part').touch()  # of another job, perhaps
    with FolderLock(tmp_path, 'x'):
        pass
    assert sorted(path.name for path in tmp_path.rglob('.*')) == ['.a.part', '.lock-new']
