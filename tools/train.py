"""Train a model: ``python tools/train.py configs/mctformer_plus_voc.py``."""

import argparse
import copy
import sys

from mmwsss.apis.photo_options import add_photo_arguments, set_photos
from mmwsss.apis.speed import AMP_DTYPES, add_speed_arguments, set_amp, set_speed
from mmwsss.apis.vis import BACKENDS, add_vis, check_vis
from mmwsss.utils.cli import run_main
from mmwsss.utils.tool_options import add_launch_arguments, parse_launched


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir', help='folder of logs and checkpoints (default: work_dirs/<config>)'
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='continue the latest checkpoint of the work dir, or the given one',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='fp16',
        choices=tuple(AMP_DTYPES),
        help='automatic mixed precision: fp16 (default) or bf16',
    )
    add_speed_arguments(parser)
    add_photo_arguments(parser)
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='keep the batch of each process, and scale the learning rate by (total batch) / '
        'total_batch_size of the config',
    )
    parser.add_argument(
        '--batch-size-per-gpu',
        type=int,
        metavar='N',
        help='images of each process, in place of total_batch_size / processes; the learning rate '
        'stays',
    )
    parser.add_argument(
        '--vis',
        choices=tuple(BACKENDS),
        help='also write curves and pictures there (needs its package)',
    )
    add_launch_arguments(parser)
    return parse_launched(parser)


def summary_hook(runner, cfg, recipe, plan):
    """Hook that begins the log of a training with its batch, updates and learning rate."""
    from mmwsss.apis.batch import count_updates, recipe_updates, summary_lines
    from mmwsss.engine.hooks import TrainingSummaryHook

    loader = runner.train_dataloader
    updates = count_updates(cfg, len(loader))
    published = recipe_updates(recipe, len(loader.dataset))
    note = ''
    if plan.total != plan.recipe_total:
        note = (
            f'the total batch is {plan.total}, not {plan.recipe_total} as in the recipe '
            f'({plan.note}): published numbers need the batch of the recipe'
        )
    return TrainingSummaryHook(summary_lines(plan, updates, published), note)


def main():
    args = parse_args()
    if args.vis:
        check_vis(args.vis)
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis import build_runner, load_config
    from mmwsss.apis.batch import count_processes, plan_batch
    from mmwsss.apis.config import read_config, require_sections
    from mmwsss.apis.setup_check import has_data
    from mmwsss.apis.weights import check_weights, needed_weights
    from mmwsss.utils.checkpoint_files import check_checkpoint
    from mmwsss.utils.locks import lock_folders
    from mmwsss.utils.run_logs import logs_of_begun_runs

    recipe = read_config(args.config)
    cfg = load_config(
        copy.deepcopy(recipe),
        cfg_options=args.cfg_options,
        work_dir=args.work_dir,
        launcher=args.launcher,
    )
    require_sections(cfg, 'model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
    needs = needed_weights(cfg)
    if has_data(cfg):  # else the data set says what is missing, and how to get it
        check_weights(needs)
    plan = plan_batch(
        cfg,
        recipe,
        processes=count_processes(args.launcher),
        options=args.cfg_options,
        batch_size_per_gpu=args.batch_size_per_gpu,
        auto_scale_lr=args.auto_scale_lr,
    )
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
        if cfg.load_from:
            check_checkpoint(cfg.load_from)
    set_photos(cfg, args)
    if args.amp:
        set_amp(cfg, args.amp)
    set_speed(cfg, args)
    if args.vis:
        add_vis(cfg, args.vis)
    with lock_folders(cfg.work_dir, tool='train.py'), logs_of_begun_runs(cfg.work_dir):
        runner = build_runner(cfg, 'train')
        runner.register_hook(summary_hook(runner, cfg, recipe, plan))
        runner.train()


if __name__ == '__main__':
    sys.exit(run_main(main))
