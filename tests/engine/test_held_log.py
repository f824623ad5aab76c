"""Lines that wait until everything is built."""

import logging

import pytest

from mmwsss.engine.held_log import HeldLog


@pytest.fixture
def logger():
    logger = logging.Logger('test')
    logger.lines = []
    handler = logging.Handler()
    handler.emit = lambda record: logger.lines.append(record.getMessage())
    logger.addHandler(handler)
    return logger


def build(logger):
    logger.info('config of %s lines', 300)
    for name in ('a', 'b'):
        logger.info('paramwise_options -- %s:lr=0.1', name)
    logger.warning('look')
    logger.info('built')


def test_lines_wait_in_their_order(logger):
    held = HeldLog(logger)
    build(logger)
    assert logger.lines == ['look']
    held.release()
    held.release()
    assert logger.lines == [
        'look',
        'config of 300 lines',
        '2 settings of single parameters (MMWSSS_DEBUG=1 lists them)',
        'built',
    ]
    logger.info('after')
    assert logger.lines[-1] == 'after'


def test_a_failed_run_holds_nothing_of_the_next(logger):
    HeldLog(logger)
    build(logger)
    HeldLog(logger).release()
    logger.info('next')
    assert logger.lines == ['look', 'next']


def test_debugging_holds_nothing(logger, monkeypatch):
    monkeypatch.setenv('MMWSSS_DEBUG', '1')
    HeldLog(logger)
    build(logger)
    assert len(logger.lines) == 5
