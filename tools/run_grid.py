"""Run a study, option sets x seeds, and write its table: Markdown, CSV, LaTeX, JSON and a plot.

    python tools/run_grid.py configs/ablations/mcc_table3_toy.py
    python tools/run_grid.py configs/ablations/mcc_table3.py --seeds 0 1 2 --jobs 4

Finished runs are skipped and interrupted ones are resumed. mmwsss/apis/grid.py and
docs/reproduction.md describe the entries of a grid config.
"""

import argparse
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mmwsss.utils.cli import run_main
from mmwsss.utils.processes import require_one_process

if TYPE_CHECKING:
    from mmwsss.apis.grid import Grid


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='grid config, e.g. configs/ablations/mcc_table3_toy.py')
    parser.add_argument('--jobs', type=int, default=1, metavar='N', help='runs at a time')
    parser.add_argument(
        '--gpus',
        type=int,
        default=1,
        metavar='N',
        help='GPUs and processes of each run (default %(default)s)',
    )
    parser.add_argument(
        '--seeds', type=int, nargs='+', metavar='S', help='instead of those of the config'
    )
    parser.add_argument(
        '--launcher',
        choices=('none', 'slurm'),
        default='none',
        help='slurm: submit the runs as a job array, at most --jobs at a time',
    )
    parser.add_argument(
        '--slurm-args',
        type=shlex.split,
        default=[],
        metavar='"..."',
        help='options of sbatch, e.g. "--partition=gpu --time=12:00:00 --cpus-per-task=8"',
    )
    parser.add_argument(
        '--work-dir', type=Path, metavar='D', help='(default: work_dirs/grids/<config>)'
    )
    parser.add_argument('--dry-run', action='store_true', help='only print the runs')
    parser.add_argument(
        '--table', action='store_true', help='write the table of the results so far, without a run'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    require_one_process()
    # after the arguments: --help and a mistyped option answer at once
    from rich.console import Console

    from mmwsss.apis.grid import Grid
    from mmwsss.apis.grid_runner import RunsFailed, run_grid, submit_grid
    from mmwsss.apis.grid_table import write_tables

    console = Console(highlight=False)

    def report(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    # so that the runs are stopped too
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    grid = Grid(args.config, work_dir=args.work_dir, seeds=args.seeds)
    report(f'{grid.name}: {len(grid.rows)} rows, {len(grid.seeds)} seeds, {len(grid.runs)} runs')
    if args.dry_run:
        print_runs(grid, report)
        return

    def finished() -> None:
        try:
            write_tables(grid)
        except ValueError as error:  # the runs that are left do not depend on it
            report(f'no table yet: {error}')

    failure = None
    if args.launcher == 'slurm':
        again = [sys.executable, str(Path(__file__).resolve()), str(Path(args.config).resolve())]
        again += ['--work-dir', str(grid.work_dir.resolve()), '--table']
        again += ['--seeds', *map(str, grid.seeds)]
        submit_grid(
            grid,
            again,
            jobs=args.jobs,
            gpus=args.gpus,
            options=args.slurm_args,
            report=report,
        )
    elif not args.table:
        try:
            run_grid(
                grid,
                jobs=args.jobs,
                gpus=args.gpus,
                report=report,
                finished=finished,
            )
        except RunsFailed as error:
            failure = error
    report(write_tables(grid))
    report(f'table: {grid.work_dir / "table.md"}')
    if failure is not None:
        raise ValueError(str(failure)) from failure


def print_runs(grid: 'Grid', report: Callable[[str], None]) -> None:
    """Runs with the rows that share them, and their stages."""
    for number, run in enumerate(grid.runs, 1):
        rows = [grid.rows[cell.row]['name'] for cell in grid.cells if cell.run is run]
        state = 'done before' if run.is_done() else 'to run'
        report(f'[{number}/{len(grid.runs)}] {run.folder} ({"; ".join(rows)}): {state}')


if __name__ == '__main__':
    sys.exit(run_main(main))
