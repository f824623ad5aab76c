"""Run every stage of an experiment, from tags to a tested segmentation network; a rerun continues
where it stopped.
"""

import argparse
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction
from mmwsss.utils.processes import require_one_process

if TYPE_CHECKING:
    from mmwsss.apis.pipeline import Pipeline
    from mmwsss.apis.slurm import Slurm


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'config', help='pipeline config, e.g. configs/pipelines/mctformer_plus_toy.py'
    )
    parser.add_argument('--work-dir', help='folder of all stages (default: that of the config)')
    parser.add_argument(
        '--gpus',
        type=int,
        default=1,
        help='processes for training, testing, CAM generation and walks',
    )
    parser.add_argument(
        '--cpu-processes',
        type=int,
        default=1,
        metavar='N',
        help='processes for labels, dense CRFs and evaluation, each with workers on the cores of '
        'its machine: for several machines',
    )
    parser.add_argument(
        '--from', dest='start', metavar='STAGE', help='run this stage and all later ones again'
    )
    parser.add_argument('--until', metavar='STAGE', help='run no stage after this one')
    parser.add_argument(
        '--redo-changed',
        action='store_true',
        help='delete finished stages that were made with other settings or inputs and run them '
        'again (default: such a stage is an error)',
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='only print the stages and check that every file of weights is there',
    )
    parser.add_argument(
        '--report',
        action='store_true',
        help='run nothing, write report.html of the stages that have run so far',
    )
    parser.add_argument(
        '--launcher',
        choices=('none', 'slurm', 'sbatch'),
        default='none',
        help='slurm: run each stage by srun with its own resources: GPUs for networks, cores '
        'for dense CRFs and evaluation; sbatch: submit each stage as a job that waits for the one '
        'before',
    )
    parser.add_argument(
        '--slurm-args',
        default='',
        metavar='WORDS',
        help='slurm, sbatch: options of every stage, e.g. "-p gpu --time=12:00:00"',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='overrides of the pipeline config, key=value',
    )
    return parser.parse_args()


def main():
    args = parse_args()
    require_one_process()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis.pipeline import Pipeline, StageFailed
    from mmwsss.apis.setup_check import pipeline_weights
    from mmwsss.apis.slurm import Slurm
    from mmwsss.apis.weights import check_weights

    # so that the stage that runs is stopped too
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if args.slurm_args and args.launcher == 'none':
        raise ValueError('--slurm-args goes with --launcher slurm or sbatch')
    slurm = Slurm(extra=shlex.split(args.slurm_args))
    pipeline = Pipeline(
        args.config,
        work_dir=args.work_dir,
        gpus=args.gpus,
        cpu_processes=args.cpu_processes,
        options=args.cfg_options,
        slurm=slurm if args.launcher == 'slurm' else None,
    )
    if args.report:
        from mmwsss.apis.pipeline_report import report_unfinished

        if report_unfinished(pipeline) is None:
            raise ValueError(f'{pipeline.work_dir}: no report could be written')
        return
    if args.dry_run:
        pipeline.run(start=args.start, dry_run=True)
    check_weights(pipeline_weights(pipeline, check=False))  # at once, before PyTorch is imported
    check_weights(pipeline_weights(pipeline))
    if args.dry_run:
        return
    if args.launcher == 'sbatch':
        submit(pipeline, slurm, args)
        return
    try:
        summary = pipeline.run(start=args.start, until=args.until, redo_changed=args.redo_changed)
    except StageFailed as error:
        raise ValueError(str(error)) from error
    if len(summary) == len(pipeline.stages):
        from mmwsss.apis.pipeline_report import finish_pipeline

        finish_pipeline(pipeline, summary)


def submit(pipeline: 'Pipeline', slurm: 'Slurm', args: argparse.Namespace) -> None:
    """A job for each stage: this command until that stage, which it starts by srun.

    Raises:
        ValueError: With ``--from``: every job would begin anew.
    """
    from mmwsss.apis.slurm import submit_chain

    if args.start is not None or args.until is not None:
        raise ValueError('--launcher sbatch does not go with --from and --until')
    own = argparse.ArgumentParser()
    own.add_argument('--launcher')
    own.add_argument('--slurm-args')
    words = own.parse_known_args(sys.argv[1:])[1]
    again = [sys.executable, str(Path(__file__).resolve()), *words]
    jobs = [
        (
            stage['name'],
            slurm.options(stage, pipeline.processes_of(stage), pipeline.name),
            [*again, '--launcher', 'slurm', '--until', stage['name']],
        )
        for stage in pipeline.stages
        if args.redo_changed or not pipeline.is_done(stage)
    ]
    submit_chain(jobs, pipeline.work_dir / 'slurm', print)


if __name__ == '__main__':
    sys.exit(run_main(main))
