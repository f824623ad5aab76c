"""Kills of the whole process group of a pipeline at random moments of every stage."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mmwsss.apis.pipeline import Pipeline
from mmwsss.utils.io import read_json
from tests.soak.tiny_pipeline import ROOT, differences, results, write_config

POLL_S = 0.02


class Outcome(NamedTuple):
    """What a series of faults came to: how many, how many left a run that ends as if there had
    been none, and what went wrong.
    """

    tried: int
    survived: int
    compared: int | str
    problems: list[str]


def kill_pipeline(folder: Path, kills: int, seed: int, report: Callable[[str], None]) -> Outcome:
    """Run the tiny pipeline once in peace and once with kills, and compare everything.

    Args:
        folder (Path): Scratch.
        kills (int): Spread over all stages in turn.
        seed (int): Of the moments.
        report (Callable): Takes lines of progress.

    Returns:
        Outcome: A kill survives if the next start goes on; all survive only if the results are
        those of the run in peace, bit by bit.
    """
    config = write_config(folder, 'soak')
    whole, killed = folder / 'whole', folder / 'killed'
    _finish(config, whole, folder)
    stages = [stage['name'] for stage in Pipeline(config, work_dir=whole).stages][1:]
    seconds = {name: read_json(whole / name / 'stage.json')['seconds'] for name in stages}
    report(f'the run in peace took {sum(seconds.values()):.0f} s')
    generator, problems, survived = random.Random(seed), [], 0
    plan = sorted(stages[index % len(stages)] for index in range(kills))
    plan.sort(key=stages.index)
    for number, name in enumerate(plan, 1):
        delay = generator.uniform(0, seconds[name])
        process = _start(config, killed, folder)
        while process.poll() is None and not _has_started(killed / name):
            time.sleep(POLL_S)
        time.sleep(delay)
        came_too_late = process.poll() is not None
        if not came_too_late:
            os.killpg(process.pid, signal.SIGKILL)
        output = process.communicate()[0]
        if came_too_late and process.returncode:
            problems.append(f'kill {number} in {name}: {output.strip().splitlines()[-1:]}')
        else:
            survived += 1
        report(f'kill {number} of {kills}: {name} after {delay:.1f} s')
    try:
        _finish(config, killed, folder)
    except subprocess.CalledProcessError as error:
        problems.append(f'stuck: {error.output.strip().splitlines()[-1:]}')
        return Outcome(kills, 0, 0, problems)
    expected = results(whole)
    different = differences(expected, results(killed))
    problems += [f'differs: {name}' for name in different]
    return Outcome(kills, 0 if different else survived, len(expected), problems)


def _has_started(folder: Path) -> bool:
    path = folder / 'stage.json'
    return path.is_file() and read_json(path)['status'] in ('running', 'done')


def _command(config: Path, work_dir: Path) -> list[str]:
    return [
        sys.executable,
        str(ROOT / 'tools' / 'run_pipeline.py'),
        str(config),
        '--work-dir',
        str(work_dir),
    ]


def _environment() -> dict[str, str]:
    return {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}


def _start(config: Path, work_dir: Path, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        _command(config, work_dir),
        cwd=folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _finish(config: Path, work_dir: Path, folder: Path) -> None:
    subprocess.run(
        _command(config, work_dir),
        cwd=folder,
        env=_environment(),
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
