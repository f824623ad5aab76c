import json

import pytest

from mmwsss.utils.cli import run_main


def raising(error):
    def main():
        raise error

    return main


def test_exit_codes(capsys):
    assert run_main(lambda: None) == 0
    assert run_main(lambda: 3) == 3
    assert run_main(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == 'interrupted\n'


@pytest.mark.parametrize(
    'error,line',
    [
        (ValueError('a.png: bad'), 'error: a.png: bad\n'),
        (ValueError('two\nlines'), 'error: two lines\n'),
        (
            FileNotFoundError(2, 'No such file or directory', 'x.txt'),
            "error: [Errno 2] No such file or directory: 'x.txt'\n",
        ),
        (OSError(), 'error: OSError\n'),
    ],
)
def test_one_line_for_errors_of_the_user(error, line, capsys):
    assert run_main(raising(error)) == 1
    assert capsys.readouterr().err == line


def test_defects_and_debugging_keep_the_traceback(monkeypatch):
    with pytest.raises(KeyError):
        run_main(raising(KeyError('x')))
    monkeypatch.setenv('MMWSSS_DEBUG', '1')
    with pytest.raises(ValueError, match='bad'):
        run_main(raising(ValueError('bad')))
    with pytest.raises(KeyboardInterrupt):
        run_main(raising(KeyboardInterrupt()))


def test_the_place_of_an_error_of_a_library(capsys):
    """Its text alone does not say where it comes from; ours do."""

    def main():
        return json.loads('{')

    assert run_main(main) == 1
    line = capsys.readouterr().err
    assert line.startswith('error: Expecting property name') and line.count('\n') == 1
    assert ' (in json/decoder.py:' in line and 'MMWSSS_DEBUG=1 shows the traceback)' in line
