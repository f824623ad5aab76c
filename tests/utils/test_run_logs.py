"""A refused command leaves no log behind."""

import pytest

from mmwsss.utils.run_logs import logs_of_begun_runs


def log(folder, name='20260101_120000'):
    (folder / name).mkdir(parents=True)
    (folder / name / f'{name}.log').write_text('Config: ...')


def fail(folder, error, name='20260101_120000'):
    with pytest.raises(type(error)):
        with logs_of_begun_runs(folder):
            log(folder, name)
            raise error


def test_a_wrong_input_leaves_nothing(tmp_path):
    fail(tmp_path / 'run', ValueError('x.pth: not a checkpoint'))
    assert not (tmp_path / 'run').exists()
    log(tmp_path / 'old', '20250101_000000')
    (tmp_path / 'old' / 'notes').mkdir()
    fail(tmp_path / 'old', FileNotFoundError('x.pth: checkpoint not found'))
    assert sorted(path.name for path in (tmp_path / 'old').iterdir()) == [
        '20250101_000000',
        'notes',
    ]


def test_logs_of_runs_that_began_or_met_a_defect_stay(tmp_path):
    error = ValueError('a.jpg: unreadable')
    error.has_begun = True
    fail(tmp_path / 'begun', error)
    fail(tmp_path / 'defect', KeyError('x'))
    with logs_of_begun_runs(tmp_path / 'fine'):
        log(tmp_path / 'fine')
    for name in ('begun', 'defect', 'fine'):
        assert (tmp_path / name / '20260101_120000').is_dir()


def test_one_of_several_processes_removes_them(tmp_path, monkeypatch):
    monkeypatch.setenv('WORLD_SIZE', '2')
    monkeypatch.setenv('RANK', '1')
    fail(tmp_path / 'run', ValueError('x'))
    assert (tmp_path / 'run' / '20260101_120000').is_dir()
