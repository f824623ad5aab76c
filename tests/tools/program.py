"""Command line tools, run inside the process of the tests: starting one anew costs seconds of
imports.
"""

import io
import os
import runpy
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from unittest.mock import patch

from mmwsss.utils.cli import run_main

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / 'tools'
CONFIGS = ROOT / 'configs'
# what makes a run of a toy config small; everything else stays as the config says
TINY = {
    f'{loader}_dataloader.{key}': value
    for loader in ('train', 'val', 'test')
    for key, value in (
        ('num_workers', 0),
        ('persistent_workers', False),
        ('dataset.serialize_data', False),
    )
}
TINY.update({'train_dataloader.batch_size': 4})


class Result(NamedTuple):
    """What a program left: exit code and text."""

    code: int
    out: str
    err: str


def words(*args, options=None):
    """Command line words; ``options`` become ``--cfg-options``."""
    line = [str(arg) for arg in args]
    return (
        line + ['--cfg-options', *(f'{key}={value}' for key, value in options.items())]
        if options
        else line
    )


def run_tool(name, *args, options=None):
    """Run ``tools/<name>`` as its last lines would.

    Args:
        name (str): File below ``tools``.
        *args: Arguments.
        options (dict, optional): Overrides of the config; the run gets a name of its own, or
            MMEngine would log into an older run.

    Returns:
        Result
    """
    if options is not None:
        options = dict(options, experiment_name=f'test_{time.monotonic_ns()}')
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, 'argv', [name, *words(*args, options=options)]),
        patch.dict(os.environ),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = run_main(runpy.run_path(str(TOOLS / name), run_name='tool')['main'])
        except SystemExit as stop:
            code = stop.code
    return Result(code, out.getvalue(), err.getvalue())


class InProcess:
    """Stands in for :class:`subprocess.Popen` of a tool, which runs here when it is started."""

    def __init__(self, command, *, stdout=None, env=None, **_):
        tool = Path(command[1]).resolve().relative_to(TOOLS)
        with patch.dict(os.environ, env or {}):
            result = run_tool(str(tool), *command[2:])
        text = (result.out + result.err).encode()
        if hasattr(stdout, 'write'):
            stdout.write(text)
        self.returncode, self.stdout = result.code or 0, text.splitlines(keepends=True)

    def poll(self):
        return self.returncode

    def wait(self):
        return self.returncode


def tools_in_process(monkeypatch, *modules):
    """Let modules that start tools run them in this process; other processes are left alone."""
    for module in modules:
        stand_in = SimpleNamespace(**vars(subprocess))
        stand_in.Popen = InProcess
        monkeypatch.setattr(module, 'subprocess', stand_in)


def environment():
    """Variables for a real process: one thread, and the package of this checkout."""
    return dict(os.environ, OMP_NUM_THREADS='1', PYTHON=sys.executable, PYTHONPATH=str(ROOT))


def one_line(result, *parts):
    """Whether a tool refused its input as it should: exit code 1 and one line with all
    ``parts``.
    """
    lines = [line for line in result.err.splitlines() if line.startswith('error: ')]
    assert result.code == 1, result
    assert len(lines) == 1 and 'Traceback' not in result.err, result.err
    for part in parts:
        assert str(part) in lines[0], lines[0]
    return True
