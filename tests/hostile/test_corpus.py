"""Hostile files are refused in one line that names them, or read."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tests.hostile.corpus import READERS, cases

CASES = list(cases())


def test_the_corpus_is_large_and_names_are_unique():
    assert len(CASES) >= 250
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize('name', READERS)
def test_readers_accept_good_files(name, tmp_path):
    path = tmp_path / f'good{READERS[name].suffix}'
    READERS[name].write(path)
    assert READERS[name].read(path) is not None


def offence(case, folder):
    """What is wrong with how a case ends, None if nothing is."""
    reader = READERS[case.reader]
    path = folder / f'victim{reader.suffix}'
    reader.write(path)
    case.make(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            reader.read(path)
    except (ValueError, OSError) as error:
        if case.outcome == 'read':
            return f'{case.name}: refused: {error}'
        if 'victim' not in str(error):
            return f'{case.name}: the file is not named: {error}'
    except Exception as error:  # noqa: BLE001  that is what the test looks for
        return f'{case.name}: {type(error).__name__}: {error}'
    else:
        if case.outcome == 'refused':
            return f'{case.name}: read in silence'
    return None


def test_every_case_ends_as_expected(tmp_path):
    offences = []
    for number, case in enumerate(CASES):
        folder = tmp_path / str(number)
        folder.mkdir()
        offences.append(offence(case, folder))
    found = [text[:300] for text in offences if text]
    assert not found, f'{len(found)} of {len(CASES)}:\n' + '\n'.join(found)


MEASURE = """
import resource, sys
from pathlib import Path
from tests.hostile.corpus import READERS
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
for argument in sys.argv[1:]:
    name, path = argument.split('=', 1)
    before = peak()
    try:
        READERS[name].read(Path(path))
        print('read', peak() - before)
    except ValueError as error:
        print('refused' if Path(path).name in str(error) else 'unnamed', peak() - before)
"""


@pytest.mark.slow
def test_bombs_take_less_than_a_gibibyte(tmp_path):
    bombs = ('cam: bomb', 'mask: header of 30000x30000', 'photo.png: slide of 13400x13400')
    bombs += ('mask: inflates to 64 MiB', 'json: nested', 'xml: billion laughs')
    arguments = []
    for case in CASES:
        if case.name in bombs:
            path = tmp_path / f'{len(arguments)}{READERS[case.reader].suffix}'
            READERS[case.reader].write(path)
            case.make(path)
            arguments.append(f'{case.reader}={path}')
    csv = tmp_path / 'long.csv'
    with open(csv, 'wb') as file:
        file.write(b'image,tags\na,')
        for _ in range(200):
            file.write(b'x' * (1 << 20))
    arguments.append(f'tags.csv={csv}')
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, '-c', MEASURE, *arguments], cwd=root, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    assert len(lines) == len(bombs) + 1
    for argument, (outcome, grown) in zip(arguments, lines):
        assert outcome in ('refused', 'read'), argument
        assert int(grown) < 1024, f'{argument}: {grown} MiB'
