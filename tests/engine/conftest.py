"""Runners start faster."""

import pytest


@pytest.fixture(autouse=True)
def quick_runners(monkeypatch):
    """Leave out what takes a Runner most of its time: the versions of compilers in the log, the
    layout of the config in each file.
    """
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **style: (text, False))
