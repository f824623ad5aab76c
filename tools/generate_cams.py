"""Write the CAM file of every image of a split; a rerun continues where an interrupted one
stopped.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmwsss.apis.photo_options import add_photo_arguments, set_photos
from mmwsss.apis.speed import add_speed_arguments, set_speed
from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import unit_number
from mmwsss.utils.tool_options import add_launch_arguments, parse_launched

if TYPE_CHECKING:
    from mmengine.config import Config

    from mmwsss.engine.prediction_writer import PredictionWriter
    from mmwsss.engine.runner import WSSSRunner


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of the classifier')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--split',
        required=True,
        help='list in ImageSets/Segmentation, e.g. train_aug; a .txt file; or all: every tagged '
        'image',
    )
    parser.add_argument('--out', required=True, metavar='D', help='folder of the CAM files')
    parser.add_argument(
        '--refine',
        action=argparse.BooleanOptionalAction,
        default=None,
        help='refine the maps with the patch affinity (default: that of the config)',
    )
    parser.add_argument(
        '--dtype',
        choices=('fp32', 'bf16', 'fp16'),
        help='precision of the network; maps stay float32',
    )
    parser.add_argument(
        '--max-side',
        type=int,
        metavar='N',
        help='photos with a longer side are downscaled for the network; maps are scaled back',
    )
    add_photo_arguments(parser)
    parser.add_argument('--half', action='store_true', help='float16 CAM files')
    parser.add_argument(
        '--masks',
        type=unit_number,
        metavar='T',
        help='write masks cut at this background threshold instead of CAM files',
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        metavar='N',
        help='images of one size in a batch; the results do not depend on it (default: '
        'what the memory of a GPU holds, 1 on a CPU)',
    )
    parser.add_argument('--workers', type=int, help='processes that load images')
    parser.add_argument('--device', help='e.g. cpu or cuda:1 (default: the first accelerator)')
    add_speed_arguments(parser)
    add_launch_arguments(parser)
    return parse_launched(parser)


def main():
    args = parse_args()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis import load_config
    from mmwsss.apis.config import require_sections
    from mmwsss.engine.prediction_writer import PredictionWriter
    from mmwsss.utils.checkpoint_files import check_checkpoint
    from mmwsss.utils.env import check_device
    from mmwsss.utils.locks import lock_folders
    from mmwsss.utils.run_logs import logs_of_begun_runs

    if args.device:
        args.device = check_device(args.device)
    check_checkpoint(args.checkpoint)
    out = Path(args.out)
    cfg = load_config(
        args.config, cfg_options=args.cfg_options, work_dir=out / 'log', launcher=args.launcher
    )
    require_sections(cfg, 'model', 'test_dataloader')
    set_photos(cfg, args)
    for option, value in (('refine', args.refine), ('dtype', args.dtype)):
        if value is not None:
            cfg.merge_from_dict({f'model.test_cfg.{option}': value})
    writer = PredictionWriter(
        out,
        kind='cams' if args.masks is None else 'masks',
        threshold=args.masks or 0.0,
        half=args.half,
    )
    with lock_folders(out, tool='generate_cams.py'):
        with logs_of_begun_runs(cfg.work_dir):
            runner, dataset, pending = _prepare(args, cfg, writer)
        count = len(dataset)
        runner.logger.info(f'{out}: {count - len(pending)} of {count} images are done')
        if pending:
            _write(args, cfg, writer, runner, dataset, pending)
        runner.logger.info(f'{out}: all {count} images are done')


def _model_of(runner: 'WSSSRunner', launcher: str) -> Any:
    return runner.model.module if launcher != 'none' else runner.model


def _prepare(
    args: argparse.Namespace, cfg: 'Config', writer: 'PredictionWriter'
) -> tuple['WSSSRunner', Any, list[int]]:
    """Model with its weights, images, and positions of those without a file; claims the folder."""
    from mmengine.dist import broadcast_object_list

    from mmwsss.apis import build_runner, dataset_of_split, load_weights
    from mmwsss.apis.config import build_errors_named
    from mmwsss.apis.cost import describe, photo_sizes, views_of
    from mmwsss.registry import DATASETS
    from mmwsss.utils.env import emulates_bf16
    from mmwsss.utils.fingerprint import digest_settings, fingerprint, fingerprint_checkpoint
    from mmwsss.utils.output_folder import claim_output_folder

    out = writer.out_dir
    config = dataset_of_split(cfg, args.split)
    if args.max_side is not None:
        config.max_side = args.max_side
    with build_errors_named(cfg):
        dataset = DATASETS.build(config)
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    ids = [info['img_id'] for info in infos]
    set_speed(cfg, args)
    runner = build_runner(cfg)
    model = _model_of(runner, args.launcher)
    load_weights(model, args.checkpoint)
    # a network that segments too: its maps are asked for
    if 'outputs' in getattr(model, 'test_cfg', {}):
        model.test_cfg['outputs'] = ('cam',)
    if args.device:
        model.to(args.device)
    if model.test_cfg['dtype'] == 'bf16' and emulates_bf16(next(model.parameters()).device):
        runner.logger.warning(
            'this device has no bfloat16 instructions: --dtype bf16 is slower than fp32 on it'
        )
    pending = [None]
    if runner.rank == 0:
        settings = dict(
            config=Path(args.config).name,
            model=digest_settings({key: cfg.model[key] for key in cfg.model if key != 'test_cfg'}),
            checkpoint=fingerprint_checkpoint(args.checkpoint),
            split=Path(args.split).name if args.split.endswith('.txt') else args.split,
            kind=writer.kind,
            threshold=args.masks,
            half=args.half,
            test_cfg=cfg.model.get('test_cfg', {}),
            pipeline=digest_settings(config.pipeline),
            num_images=len(ids),
            **({} if args.max_side is None else dict(max_side=args.max_side)),
        )
        inputs = {
            info['img_id']: f'{fingerprint(info["img_path"])} '
            f'{digest_settings(info.get("gt_tags"))}'
            for info in infos
        }
        claim_output_folder(out, settings, inputs=inputs, output=writer.path)
        pending = [writer.pending(ids)]
        if pending[0]:
            sizes = photo_sizes(dataset.get_subset(pending[0]))
            line = describe(model, sizes, views_of(model, config.pipeline)) if sizes else ''
            if line:
                runner.logger.info(line)
    # one decision for all processes: the first one writes while others still look
    broadcast_object_list(pending)
    return runner, dataset, pending[0]


def _write(
    args: argparse.Namespace,
    cfg: 'Config',
    writer: 'PredictionWriter',
    runner: 'WSSSRunner',
    dataset: Any,
    pending: list[int],
) -> None:
    """Predict the images at ``pending`` positions of the data set and write their files."""
    from mmwsss.apis.runner import image_loader
    from mmwsss.engine.prediction_writer import largest_first, write_predictions
    from mmwsss.engine.size_buckets import makes_batches

    if makes_batches(args.batch_size) or runner.world_size > 1:
        pending = largest_first(dataset, pending)
    dataset.get_subset_(pending)
    workers = cfg.test_dataloader.get('num_workers', 0) if args.workers is None else args.workers
    loader = image_loader(dataset, workers)
    write_predictions(
        _model_of(runner, args.launcher),
        loader,
        writer,
        description=f'{writer.kind} of {args.split}',
        batch_size=args.batch_size,
    )


if __name__ == '__main__':
    sys.exit(run_main(main))
