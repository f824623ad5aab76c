"""One file per image: what is there is not made again, and a folder keeps its settings."""

import pytest

from mmwsss.utils.file_jobs import write_files
from mmwsss.utils.processes import Processes


def test_only_what_is_missing_is_written(tmp_path):
    entries = [(name, tmp_path / f'{name}.in') for name in 'abc']
    for name, path in entries:
        path.write_text(name)
    made = []

    def write(entry):
        made.append(entry[0])
        (tmp_path / 'out' / f'{entry[0]}.txt').write_text(entry[1].read_text().upper())

    def call(level=1, rank=0):
        return write_files(
            lambda: write,
            entries,
            tmp_path / 'out',
            suffix='.txt',
            settings=dict(level=level),
            processes=Processes(rank),
            workers=0,
            title='test',
        )

    assert call() == 0 and made == ['a', 'b', 'c']
    (tmp_path / 'out' / 'b.txt').unlink()
    assert call() == 2 and made == ['a', 'b', 'c', 'b']
    assert (tmp_path / 'out' / 'b.txt').read_text() == 'B'
    with pytest.raises(ValueError, match=r'other settings \(level\)'):
        call(level=2)
    entries[0][1].write_text('changed')
    with pytest.raises(ValueError, match='other inputs'):
        call()
