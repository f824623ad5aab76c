"""Compare the CAM methods on one trained classifier: quality, speed and memory as a table, and a
grid of pictures.

Rows follow Table 5 of ACR; `+aff` refines a map with the patch affinity, `config` is the method of
the config. The quality is the mIoU of the CAM sweep at its best threshold. Methods that the network
does not support (for example without patch scores) are listed with the reason.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction
from mmwsss.utils.io import atomic_open, write_json
from mmwsss.utils.processes import Processes, add_launcher_argument, joined_processes
from mmwsss.utils.tables import text_table

# keys of cam_methods(), whose modules the help does without
METHODS = (
    'cam',
    'class_attention',
    'generic',
    'cam_grad',
    'grad_s',
    'cam_grad_s',
    'grad_cam',
    'grad_cam_token',
    'acr_star',
    'ts_cam',
    'ts_cam_relu',
)
DEFAULT = (
    'config',
    'class_attention',
    'cam',
    'ts_cam',
    'ts_cam_relu',
    'grad_cam',
    'grad_cam_token',
    'generic',
    'generic+aff',
    'cam_grad',
    'grad_s',
    'cam_grad_s',
    'acr_star',
    'acr',
)
COLUMNS = ('method', 'mIoU %', 'FP %', 'FN %', 'threshold', 'images/s', 'MiB')


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of the classifier')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--methods',
        nargs='+',
        default=list(DEFAULT),
        metavar='M',
        help=f'of config, acr (= acr_star+aff), {", ".join(METHODS)}, or the registered name '
        f'of a CAM method of your own, each also with +aff (default: {" ".join(DEFAULT)})',
    )
    parser.add_argument(
        '--split',
        help='list in ImageSets/Segmentation or a .txt file, with masks (default: that of the '
        'test data)',
    )
    parser.add_argument('--num', type=int, metavar='N', help='only the first N images')
    parser.add_argument(
        '--out',
        type=Path,
        metavar='D',
        help='folder of cams.png and compare_cams.json (default: work dir of the config)',
    )
    parser.add_argument(
        '--pictures',
        type=int,
        default=4,
        metavar='N',
        help='rows of the picture, one per image and class',
    )
    parser.add_argument(
        '--cell', type=int, default=160, metavar='PX', help='side of a picture in the grid'
    )
    parser.add_argument('--device', help='e.g. cpu or cuda:1 (default: a GPU, if available)')
    parser.add_argument('--workers', type=int, default=2, help='processes that load images')
    add_launcher_argument(parser)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    args = parser.parse_args(argv)
    for name in ('num', 'cell'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1')
    return args


def main(argv=None):
    args = parse_args(argv)
    with joined_processes(args.launcher) as processes:
        run(args, processes)


def run(args: argparse.Namespace, processes: Processes) -> None:
    """Predict the images of this process by every method; the first one reports those of all."""
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis import dataset_of_split, init_model, load_config
    from mmwsss.apis.cam_comparison import Cost, method_of, metric_of, predict, summarize
    from mmwsss.apis.runner import image_loader
    from mmwsss.registry import DATASETS
    from mmwsss.visualization import draw_cam_grid, encode_image

    config = load_config(args.config, cfg_options=args.cfg_options)
    # the config may import CAM methods of its own
    methods = {name: method_of(name) for name in dict.fromkeys(args.methods)}
    device = processes.device(args.device)
    model = init_model(config, args.checkpoint, device)
    if not hasattr(model, 'set_cam'):
        raise ValueError(f'{args.config}: {type(model).__name__} computes no class activation maps')
    dataset = DATASETS.build(
        dataset_of_split(config, args.split, masks=True)
        if args.split
        else config.test_dataloader.dataset
    )
    images = range(len(dataset) if args.num is None else min(args.num, len(dataset)))
    own = processes.share(images)
    dataset.get_subset_(list(images))
    loader = image_loader(dataset, args.workers)
    of_config = dict(cam=model.test_cfg.get('cam'), refine=model.test_cfg.get('refine'))
    console = Console(stderr=True, quiet=not processes.is_first)
    results, reasons, pictures = {}, {}, {}
    for name, method in methods.items():
        settings = of_config if method is None else method
        metric, reason, cost = metric_of(config, dataset), None, ()
        try:
            model.set_cam(settings['cam'])
            model.test_cfg['refine'] = settings['refine']
            cost = predict(model, zip(own, loader), metric, pictures, args.pictures, name, console)
        except ValueError as error:
            reason = str(error)
        parts = processes.gather((reason, tuple(cost)))
        found = [reason for reason, _ in parts if reason is not None]
        if found:
            reasons[name] = found[0]
        else:
            results[name] = summarize(metric, len(images), [Cost(*cost) for _, cost in parts])
    parts = processes.gather(pictures)
    if not processes.is_first:
        return
    pictures = {place: row for part in parts for place, row in part.items()}
    shown = [pictures[place] for place in sorted(pictures)[: args.pictures]]
    if not results:
        raise ValueError('; '.join(f'{name}: {reason}' for name, reason in reasons.items()))
    rows = [
        (name, *(results[name].values() if name in results else [None] * (len(COLUMNS) - 1)))
        for name in methods
    ]
    print(text_table(COLUMNS, rows, f'{Path(args.config).stem}, {len(images)} images, {device}'))
    for name, reason in reasons.items():
        print(f'{name}: {reason}')
    out = args.out or Path(config.work_dir)
    write_json(
        out / 'compare_cams.json',
        dict(
            config=str(args.config),
            checkpoint=str(args.checkpoint),
            num_images=len(images),
            device=str(device),
            methods=results,
            not_possible=reasons,
        ),
    )
    if shown:
        with atomic_open(out / 'cams.png') as file:
            file.write(encode_image(draw_cam_grid(shown, cell=args.cell)))
        print(f'pictures: {out / "cams.png"}')


if __name__ == '__main__':
    sys.exit(run_main(main))
