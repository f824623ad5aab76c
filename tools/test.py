"""Test a checkpoint: CAM threshold sweep of a classifier, or mIoU of a segmentation network."""
import argparse
import os
import sys

from mmengine.config import ConfigDict, DictAction

from mmwsss.apis import build_runner, dataset_of_split, load_config, load_weights
from mmwsss.utils.cli import run_main


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder of logs and metrics.json (default: work_dirs/<config>)')
    parser.add_argument('--out', metavar='D', help='also write predictions there: CAM files, or palette masks of a segmentation network')
    parser.add_argument('--split', help='test this split instead of the one of the config')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation of the config (tta_model, tta_pipeline)')
    parser.add_argument('--crf', metavar='PRESET', help='dense CRF on the segmentation scores, e.g. mct_test')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    parser.add_argument('--launcher', choices=('none', 'pytorch', 'slurm', 'mpi'), default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main():
    args = parse_args()
    cfg = load_config(args.config, cfg_options=args.cfg_options, work_dir=args.work_dir, launcher=args.launcher)
    if args.split:
        cfg.test_dataloader.dataset = dataset_of_split(cfg, args.split, masks=True)
    if args.tta:
        if 'tta_model' not in cfg or 'tta_pipeline' not in cfg:
            raise ValueError(f'{args.config}: --tta needs tta_model and tta_pipeline in the config')
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)
    if args.crf:
        cfg.test_cfg = dict(type='mmwsss.CRFTestLoop', crf=dict(preset=args.crf))
    if args.out:
        kind = 'cams' if cfg.model.get('backbone', {}).get('num_class_tokens') or 'num_classes' in cfg.model else 'masks'
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), dict(type='mmwsss.PseudoLabelHook', out_dir=os.path.abspath(args.out), kind=kind)]
    runner = build_runner(cfg, 'test')
    model = runner.model.module if hasattr(runner.model, 'module') and args.launcher != 'none' else runner.model
    load_weights(model.module if args.tta else model, args.checkpoint)
    runner.test()


if __name__ == '__main__':
    sys.exit(run_main(main))
