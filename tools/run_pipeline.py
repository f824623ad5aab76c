"""Run every stage of an experiment, from tags to a tested segmentation network; a rerun continues
where it stopped.
"""

import argparse
import shlex
import signal
import sys

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'config', help='pipeline config, e.g. configs/pipelines/mctformer_plus_toy.py'
    )
    parser.add_argument('--work-dir', help='folder of all stages (default: that of the config)')
    parser.add_argument(
        '--gpus', type=int, default=1, help='processes for training, testing and CAM generation'
    )
    parser.add_argument(
        '--from', dest='start', metavar='STAGE', help='run this stage and all later ones again'
    )
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
        '--launcher',
        choices=('none', 'slurm'),
        default='none',
        help='slurm: run each stage by srun with resources of its own: GPUs for networks, cores '
        'for dense CRFs and evaluation',
    )
    parser.add_argument(
        '--slurm-args',
        default='',
        metavar='WORDS',
        help='slurm: options of srun for every stage, e.g. "-p gpu --time=12:00:00"',
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
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis.pipeline import Pipeline, StageFailed
    from mmwsss.apis.pipeline_report import finish_pipeline
    from mmwsss.apis.setup_check import pipeline_weights
    from mmwsss.apis.slurm import Slurm
    from mmwsss.apis.weights import check_weights

    # so that the stage that runs is stopped too
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if args.slurm_args and args.launcher != 'slurm':
        raise ValueError('--slurm-args goes with --launcher slurm')
    slurm = Slurm(extra=shlex.split(args.slurm_args)) if args.launcher == 'slurm' else None
    pipeline = Pipeline(
        args.config,
        work_dir=args.work_dir,
        gpus=args.gpus,
        options=args.cfg_options,
        slurm=slurm,
    )
    if args.dry_run:
        pipeline.run(start=args.start, dry_run=True)
    check_weights(pipeline_weights(pipeline))
    if args.dry_run:
        return
    try:
        summary = pipeline.run(start=args.start, redo_changed=args.redo_changed)
    except StageFailed as error:
        raise ValueError(str(error)) from error
    finish_pipeline(pipeline, summary)


if __name__ == '__main__':
    sys.exit(run_main(main))
