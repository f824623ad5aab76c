"""Runs the long checks and replaces their rows in ``docs/reliability.md``: ``make soak``."""

import argparse
import errno
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

import pytest
import torch

from mmwsss.preparation.toy_shapes import write_toy_shapes
from mmwsss.utils.cli import run_main
from mmwsss.utils.io import atomic_open
from tests.hostile.tool_cases import Good, offence, tool_cases
from tests.soak.faults import Faults, Killed
from tests.soak.kills import Outcome, kill_pipeline
from tests.soak.memory import MOST_SLOPE, memory_of_evaluation
from tests.soak.tiny_pipeline import ROOT
from tests.soak.training import result, run, same
from tests.soak.workers import compare_workers
from tests.tools.program import CONFIGS, TINY, run_tool

PAGE = ROOT / 'docs' / 'reliability.md'
MEMORY = Path('/dev/shm')  # flushing thousands of files to a disk takes longer than all the rest
MARK = '<!-- soak: {name} -->'
ITEMS = 3000  # masks whose evaluation is watched
SMALL = {
    'model.backbone.arch.num_layers': 2,
    'model.test_cfg.map_type': 'mct',
    'train_cfg.max_epochs': 1,
    'train_cfg.val_interval': 1,
}
TITLES = {
    'tools': 'wrong checkpoints, configs, lists and photos given to the tools that take a network',
    'workers': 'weights of every toy config trained with 0, 1, 2 and 4 data workers',
    'memory': 'masks evaluated by one process: growth of the peak per 100 masks',
    'kills': 'SIGKILL of the process group at random moments of every stage of the toy pipeline',
    'steps': 'training killed at every step of writing (flush, rename, removal)',
    'disk': 'training on a disk that is full at every step of writing',
}


def parse_args() -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--kills', type=int, default=20, help='random kills (default %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of the moments (default %(default)s)')
    parser.add_argument('--only', nargs='+', choices=tuple(TITLES), default=tuple(TITLES))
    parser.add_argument('--page', type=Path, default=PAGE, help='page to write the rows into')
    return parser.parse_args()


def fault_every_step(folder: Path, *, full_disk: bool) -> Outcome:
    """Train a tiny network with a fault at each step of writing in turn, and go on after it."""
    write_toy_shapes(folder / 'toy', train=8, val=3, test=2, size=(64, 80), workers=1)
    with pytest.MonkeyPatch.context() as patch:
        faults = Faults(patch)
        run(folder / 'toy', folder / 'whole', resume=False)
    whole, problems, survived, tried = result(folder / 'whole'), [], 0, 0
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for index, (step, target) in enumerate(faults.calls):
        if full_disk and step == 'remove':
            continue  # takes no room
        tried += 1
        place = folder / f'run_{index}'
        with pytest.MonkeyPatch.context() as patch:
            Faults(patch, at=index, error=full if full_disk else Killed)
            with suppress(OSError, Killed):  # a folder that cannot be flushed is no error
                run(folder / 'toy', place)
        run(folder / 'toy', place)
        if same(result(place), whole):
            survived += 1
        else:
            problems.append(f'{step} of {Path(target).name}')
    return Outcome(tried, survived, len(whole['weights']) + len(whole['best']) + 3, problems)


@contextmanager
def chdir(folder: Path) -> Iterator[None]:
    """Work in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def run_tool_cases(folder: Path, report: Callable[[str], None]) -> Outcome:
    """Give every wrong input of ``tests/hostile/tool_cases.py`` to its tool."""
    data, work = folder / 'toy', folder / 'run'
    write_toy_shapes(data, train=8, val=3, test=2, size=(64, 80), workers=1)
    options = {**TINY, **SMALL, 'data_root': data}
    config = str(CONFIGS / 'mctformer_plus_toy.py')
    trained = run_tool('train.py', config, '--work-dir', work, options=options)
    if trained.code:
        raise ValueError(trained.err)
    good, found = Good(config, work / 'epoch_1.pth', data, options), []
    all_cases = list(tool_cases())
    with chdir(folder):
        for number, case in enumerate(all_cases, 1):
            found.append(offence(case, good, folder / 'case'))
            if number % 20 == 0:
                report(f'{number} of {len(all_cases)} wrong inputs')
    problems = [text for text in found if text]
    return Outcome(len(found), len(found) - len(problems), 0, problems)


def check_memory(folder: Path, report: Callable[[str], None]) -> Outcome:
    """Memory of an evaluation of 3,000 masks."""
    slope = memory_of_evaluation(folder, ITEMS, report)
    good, figures = slope < MOST_SLOPE, f'{slope:+.2f} MiB'
    return Outcome(ITEMS, ITEMS if good else 0, figures, [] if good else [figures])


def run_part(name: str, folder: Path, args: argparse.Namespace) -> Outcome:
    """One row of the page."""
    if name == 'kills':
        return kill_pipeline(folder, args.kills, args.seed, _say)
    if name in ('steps', 'disk'):
        return fault_every_step(folder, full_disk=name == 'disk')
    parts = dict(tools=run_tool_cases, workers=compare_workers, memory=check_memory)
    return parts[name](folder, _say)


def table_row(name: str, outcome: Outcome) -> str:
    """One row of the page."""
    machine = f'{platform.machine()}, {os.cpu_count()} CPUs, PyTorch {torch.__version__}'
    return (
        f'| {TITLES[name]} | {outcome.tried} | {outcome.survived} | {outcome.compared} | '
        f'{date.today().isoformat()} | {machine} |'
    )


def replace_row(page: Path, name: str, row: str) -> None:
    """Put a row in the place of the one with its mark."""
    text = page.read_text(encoding='utf-8')
    mark = MARK.format(name=name)
    pattern = re.compile(rf'^\|.*{re.escape(mark)}$', re.MULTILINE)
    if not pattern.search(text):
        raise ValueError(f'{page}: has no row that ends with {mark}')
    text = pattern.sub(lambda match: f'{row} {mark}', text)
    with atomic_open(page, 'w', encoding='utf-8') as file:
        file.write(text)


def _say(line: str) -> None:
    sys.stderr.write(f'{line}\n')


def main() -> int:
    """Run what was asked for; exit code 1 if anything did not survive."""
    args = parse_args()
    torch.set_num_threads(1)
    failed = 0
    for name in args.only:
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as scratch:
            outcome = run_part(name, Path(scratch), args)
        replace_row(args.page, name, table_row(name, outcome))
        _say(f'{name}: {outcome.survived} of {outcome.tried} survived')
        for problem in outcome.problems:
            _say(f'  {problem}')
        failed += outcome.tried - outcome.survived
    return min(failed, 1)


if __name__ == '__main__':
    sys.exit(run_main(main))
