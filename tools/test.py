"""Test a checkpoint: CAM threshold sweep of a classifier, or mIoU of a segmentation network."""

import argparse
import os
import sys

from mmwsss.apis.photo_options import add_photo_arguments, set_photos
from mmwsss.apis.speed import add_speed_arguments, set_speed
from mmwsss.utils.cli import run_main
from mmwsss.utils.tool_options import add_launch_arguments, parse_launched


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--work-dir', help='folder of logs and metrics.json (default: work_dirs/<config>)'
    )
    parser.add_argument(
        '--out',
        metavar='D',
        help='also write predictions there: CAM files, or palette masks of a segmentation network',
    )
    parser.add_argument('--split', help='test this split instead of the one of the config')
    parser.add_argument(
        '--protocol',
        metavar='NAME',
        help='test as a paper did, e.g. mcc-voc-val: split, scales, flip, size, CRF, metric; '
        'docs/user_guides/protocols.md',
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help='test-time augmentation of the config (tta_options, or tta_model and tta_pipeline)',
    )
    parser.add_argument(
        '--crf', metavar='PRESET', help='dense CRF on the segmentation scores, e.g. mct_test'
    )
    parser.add_argument(
        '--crf-prune',
        type=float,
        metavar='P',
        help='leave classes out of the CRF whose probability is below P at every pixel: faster, '
        'not the published numbers',
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        metavar='N',
        help='images of one size in a batch; the results do not depend on it (default: '
        'as the config loads them)',
    )
    parser.add_argument(
        '--submission',
        action='store_true',
        help='write the masks of the test split (or of --split) into --out as the VOC server '
        'takes them, and pack them',
    )
    add_speed_arguments(parser)
    add_photo_arguments(parser)
    add_launch_arguments(parser)
    return parse_launched(parser)


def images_of(dataset):
    """File of every image of a data set, by id."""
    infos = (dataset.get_data_info(index) for index in range(len(dataset)))
    return {info['img_id']: info['img_path'] for info in infos}


def main():
    args = parse_args()
    # after the arguments: --help and a mistyped option answer at once
    from mmengine.config import ConfigDict

    from mmwsss.apis import dataset_of_split, load_config
    from mmwsss.apis.config import override, require_sections, without_masks
    from mmwsss.apis.protocol import apply_protocol, segment_alone
    from mmwsss.engine.voc_submission import submission_metric
    from mmwsss.evaluation.protocols import find_protocol
    from mmwsss.utils.checkpoint_files import check_checkpoint
    from mmwsss.utils.locks import lock_folders
    from mmwsss.utils.run_logs import logs_of_begun_runs

    if args.submission and not args.out:
        raise ValueError('--submission needs --out, the folder of the masks and the archive')
    if args.protocol and (args.tta or args.crf or args.submission):
        raise ValueError(
            '--protocol sets scales, CRF and metric: leave out --tta, --crf and --submission'
        )
    if args.batch_size is not None and (args.crf or args.tta or args.protocol):
        raise ValueError('--batch-size is for tests without --crf, --tta and --protocol')
    if args.crf_prune is not None and not args.crf:
        raise ValueError('--crf-prune is an option of --crf')
    check_checkpoint(args.checkpoint)
    cfg = load_config(
        args.config, cfg_options=args.cfg_options, work_dir=args.work_dir, launcher=args.launcher
    )
    require_sections(cfg, 'model', 'test_dataloader')
    in_tta = apply_protocol(cfg, args.protocol) if args.protocol else False
    inside = args.tta and 'tta_options' in cfg  # the model does it itself
    if inside:
        override(cfg, cfg.tta_options)
    if args.submission:
        cfg.tta_pipeline = without_masks(cfg.get('tta_pipeline', []))
        cfg.test_evaluator = submission_metric(os.path.abspath(args.out))
        segment_alone(cfg)
    if args.split or args.submission:
        cfg.test_dataloader.dataset = dataset_of_split(
            cfg, args.split or 'test', masks=not args.submission
        )
    if args.tta and not inside:
        if 'tta_model' not in cfg or not cfg.get('tta_pipeline'):
            raise ValueError(
                f'{args.config}: --tta needs tta_model and tta_pipeline, or tta_options, in the '
                f'config'
            )
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)
        in_tta = True
    if args.crf:
        evaluators = (
            cfg.test_evaluator
            if isinstance(cfg.test_evaluator, (list, tuple))
            else [cfg.test_evaluator]
        )
        cfg.test_cfg = dict(
            type='mmwsss.CRFTestLoop',
            crf=dict(preset=args.crf, prune=args.crf_prune),
            use_image_tags=any(entry.get('use_image_tags') for entry in evaluators),
        )
    if args.out and not args.submission:
        if args.protocol:
            kind = 'masks' if find_protocol(args.protocol).task == 'seg' else 'cams'
        else:
            kind = (
                'cams' if 'decode_head' not in cfg.model and 'num_classes' in cfg.model else 'masks'
            )
        cfg.custom_hooks = [
            *cfg.get('custom_hooks', []),
            dict(type='mmwsss.PseudoLabelHook', out_dir=os.path.abspath(args.out), kind=kind),
        ]
    require_sections(cfg, 'test_cfg', 'test_evaluator')
    set_photos(cfg, args)
    folders = lock_folders(cfg.work_dir, args.out, tool='test.py')
    with folders, logs_of_begun_runs(cfg.work_dir):
        _test(cfg, args, in_tta)


def _test(cfg, args, in_tta):
    from mmengine.dist import barrier

    from mmwsss.apis import build_runner, load_weights
    from mmwsss.engine.voc_submission import pack_submission

    if args.batch_size is not None:
        cfg.test_cfg = dict(type='mmwsss.BucketedTestLoop', batch_size=args.batch_size)
    set_speed(cfg, args)
    runner = build_runner(cfg, 'test')
    model = (
        runner.model.module
        if hasattr(runner.model, 'module') and args.launcher != 'none'
        else runner.model
    )
    load_weights(model.module if in_tta else model, args.checkpoint)
    runner.test()
    if args.submission:
        barrier()
        if runner.rank == 0:
            pack_submission(
                args.out,
                images_of(runner.test_dataloader.dataset),
                len(runner.test_dataloader.dataset.metainfo['classes']),
            )


if __name__ == '__main__':
    sys.exit(run_main(main))
