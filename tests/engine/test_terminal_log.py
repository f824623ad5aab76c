"""One short line for each interval on a terminal, every number in files."""

import io
import logging

import pytest

from mmwsss.engine.terminal_log import (
    TerminalFormatter,
    short_parts,
    shorten_terminal_lines,
)

LINE = (
    'Epoch(train)  [2][ 30/100]  base_lr: 1.0000e-03 lr: 5.0000e-04  eta: 1 day, 0:10:20  '
    'time: 0.2500  data_time: 0.0100  memory: 812  grad_norm: 3.1000  loss: 2.5000  '
    'loss_cls: 0.7000  loss_patch: 1.2000  loss_contrast: 0.1000  loss_energy: 0.5000'
)
SHORT = (
    'epoch 2 [30/100]  4.00 it/s  1 day, 0:10:20 left  812 MiB  '
    'loss 2.5 (cls 0.7, patch 1.2, energy 0.5)'
)


def test_parts():
    assert '  '.join(short_parts(LINE)) == SHORT
    place, rate, left, memory, losses = short_parts('Iter(train) [  50/2000]  loss: 0.5000')
    assert (place, rate, left, losses) == ('iter [50/2000]', '', '', 'loss 0.5')
    assert int(memory.split()[0]) > 10
    assert short_parts('Iter(train) [1/2]  decode.loss_ce: 0.5  time: 2')[1::3] == (
        '0.50 it/s',
        'ce 0.5',
    )
    assert short_parts('Epoch(val) [2][3/3]  cam/mIoU: 50.0') is None


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def logger():
    logger = logging.Logger('test')
    for stream in (Terminal(), io.StringIO()):
        logger.addHandler(logging.StreamHandler(stream))
        logger.handlers[-1].setFormatter(logging.Formatter('INFO - %(message)s'))
    return logger


def test_the_terminal_alone(logger, monkeypatch, tmp_path):
    monkeypatch.setenv('NO_COLOR', '1')
    logger.addHandler(logging.FileHandler(tmp_path / 'log'))
    shorten_terminal_lines(logger)
    shorten_terminal_lines(logger)
    logger.info(LINE)
    logger.info('other')
    terminal, plain, _ = (handler.stream for handler in logger.handlers)
    assert terminal.getvalue() == f'{SHORT}\nINFO - other\n'
    assert plain.getvalue() == f'INFO - {LINE}\nINFO - other\n'
    logger.handlers[-1].close()
    assert (tmp_path / 'log').read_text() == f'{LINE}\nother\n'


def test_colours():
    record = logging.LogRecord('a', 20, '', 0, LINE, None, None)
    line = TerminalFormatter(logging.Formatter()).format(record)
    assert '\x1b[' in line and '4.00 it/s' in line and '\n' not in line
