import json
import socket

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
        (
            OSError(28, 'No space left on device'),
            'error: a file of this run: cannot be written, no space left on device; free some '
            'space and run the same command again\n',
        ),
        (
            RuntimeError("Symlink loop from '/a/list.txt'"),
            "error: Symlink loop from '/a/list.txt': a link that leads to itself\n",
        ),
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


def fail(error):
    def main():
        raise error

    return main


@pytest.fixture
def second_of_two(monkeypatch):
    monkeypatch.delenv('MMWSSS_DEBUG', raising=False)
    monkeypatch.setenv('WORLD_SIZE', '2')
    monkeypatch.setenv('RANK', '1')
    return f'error: rank 1 of 2 on {socket.gethostname()}: '


def test_errors_of_one_of_several_processes(second_of_two, capsys):
    error = ValueError('no such class')
    error.images = ['a.jpg', 'b.jpg']
    assert run_main(fail(error)) == 1
    assert capsys.readouterr().err == (f'{second_of_two}no such class (last batch: a.jpg, b.jpg)\n')
    error = ValueError('a.jpg: unreadable image')
    error.images = ['a.jpg', 'b.jpg']
    assert run_main(fail(error)) == 1
    assert capsys.readouterr().err == f'{second_of_two}a.jpg: unreadable image\n'


@pytest.mark.parametrize(
    'text, advice',
    [
        ('Timed out waiting 1800000ms for recv operation', 'env_cfg.dist_cfg.timeout='),
        ('[gloo] Connection closed by peer [10.0.0.1]:1', 'another process of this job has ended'),
        ('mat1 and mat2 shapes cannot be multiplied', ''),
    ],
)
def test_one_line_before_the_traceback(second_of_two, capsys, text, advice):
    error = RuntimeError(f'{text}\nand more')
    error.images = [f'{index}.jpg' for index in range(6)]
    with pytest.raises(RuntimeError):
        run_main(fail(error))
    line = capsys.readouterr().err
    assert line.count('\n') == 1 and line.startswith(f'{second_of_two}RuntimeError: {text} and')
    assert '(last batch: 0.jpg, 1.jpg, 2.jpg, 3.jpg and 2 more)' in line and advice in line


def test_error_of_a_data_loading_process_is_its_last_line(second_of_two, capsys):
    trace = (
        'Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most recent call '
        'last):\n  File "x.py", line 1, in f\n    raise ValueError(text)\n'
        'ValueError: b.jpg: unreadable image (truncated)\n'
    )
    assert run_main(fail(ValueError(trace))) == 1
    assert capsys.readouterr().err == f'{second_of_two}b.jpg: unreadable image (truncated)\n'
