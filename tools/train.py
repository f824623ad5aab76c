"""Train a model: ``python tools/train.py configs/mctformer_plus_voc.py``."""

import argparse
import os
import sys

from mmengine.config import DictAction
from mmengine.device import get_device

from mmwsss.apis import build_runner, load_config
from mmwsss.utils.cli import run_main
from mmwsss.utils.env import write_environment
from mmwsss.utils.locks import lock_folders


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
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate from auto_scale_lr.base_batch_size',
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    parser.add_argument('--launcher', choices=('none', 'pytorch', 'slurm', 'mpi'), default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main():
    args = parse_args()
    cfg = load_config(
        args.config, cfg_options=args.cfg_options, work_dir=args.work_dir, launcher=args.launcher
    )
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.amp:
        if get_device() in ('cpu', 'mps'):
            raise ValueError('--amp needs a GPU')
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.auto_scale_lr:
        if cfg.get('auto_scale_lr', {}).get('base_batch_size') is None:
            raise ValueError(
                f'{args.config}: --auto-scale-lr needs auto_scale_lr = dict(base_batch_size=...) '
                f'in the config'
            )
        cfg.auto_scale_lr.enable = True
    with lock_folders(cfg.work_dir, tool='train.py'):
        runner = build_runner(cfg, 'train')
        if runner.rank == 0:
            write_environment(runner.work_dir, seed=runner.seed)
        runner.train()


if __name__ == '__main__':
    sys.exit(run_main(main))
