"""Compare the CAM methods on one trained classifier: quality, speed and memory as a table, and a
grid of pictures.

Rows follow Table 5 of ACR; `+aff` refines a map with the patch affinity, `config` is the method of
the config. The quality is the mIoU of the CAM sweep at its best threshold. Methods that the network
does not support (for example without patch scores) are listed with the reason.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

import mmwsss.evaluation  # noqa: F401  registers the metric
from mmwsss.apis import dataset_of_split, init_model, load_config
from mmwsss.apis.runner import image_loader
from mmwsss.models.cams import cam_methods
from mmwsss.registry import DATASETS, METRICS
from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction
from mmwsss.utils.io import atomic_open, read_rgb, write_json
from mmwsss.utils.memory import peak_memory, reset_peak_memory
from mmwsss.utils.processes import require_one_process
from mmwsss.utils.tables import text_table
from mmwsss.visualization import draw_cam_grid, encode_image

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
        help=f'of config, acr (= acr_star+aff), {", ".join(cam_methods())}, or the registered name '
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
    parser.add_argument(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='(default %(default)s)',
    )
    parser.add_argument('--workers', type=int, default=2, help='processes that load images')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    args = parser.parse_args(argv)
    for name in ('num', 'cell'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1')
    return args


def main(argv=None):
    args = parse_args(argv)
    require_one_process()
    config = load_config(args.config, cfg_options=args.cfg_options)
    # the config may import CAM methods of its own
    methods = {name: method_of(name) for name in dict.fromkeys(args.methods)}
    model = init_model(config, args.checkpoint, args.device)
    if not hasattr(model, 'set_cam'):
        raise ValueError(f'{args.config}: {type(model).__name__} computes no class activation maps')
    dataset = DATASETS.build(
        dataset_of_split(config, args.split, masks=True)
        if args.split
        else config.test_dataloader.dataset
    )
    if args.num is not None:
        dataset.get_subset_(list(range(min(args.num, len(dataset)))))
    loader = image_loader(dataset, args.workers)
    own = dict(cam=model.test_cfg.get('cam'), refine=model.test_cfg.get('refine'))
    console = Console(stderr=True)
    results, reasons, pictures = {}, {}, {}
    for name, method in methods.items():
        settings = own if method is None else method
        try:
            model.set_cam(settings['cam'])
            model.test_cfg['refine'] = settings['refine']
            results[name] = measure(
                model, loader, metric_of(config, dataset), pictures, args.pictures, name, console
            )
        except ValueError as error:
            reasons[name] = str(error)
    if not results:
        raise ValueError('; '.join(f'{name}: {reason}' for name, reason in reasons.items()))
    rows = [
        (name, *(results[name].values() if name in results else [None] * (len(COLUMNS) - 1)))
        for name in methods
    ]
    print(
        text_table(COLUMNS, rows, f'{Path(args.config).stem}, {len(dataset)} images, {args.device}')
    )
    for name, reason in reasons.items():
        print(f'{name}: {reason}')
    out = args.out or Path(config.work_dir)
    write_json(
        out / 'compare_cams.json',
        dict(
            config=str(args.config),
            checkpoint=str(args.checkpoint),
            num_images=len(dataset),
            device=str(args.device),
            methods=results,
            not_possible=reasons,
        ),
    )
    if pictures:
        with atomic_open(out / 'cams.png') as file:
            file.write(encode_image(draw_cam_grid(list(pictures.values()), cell=args.cell)))
        print(f'pictures: {out / "cams.png"}')


def method_of(name):
    """CAM method and refinement of a name; None for the config's own."""
    if name == 'config':
        return None
    base, plus, suffix = ('acr_star+aff' if name == 'acr' else name).partition('+')
    methods = cam_methods()
    if base not in methods or (plus and suffix != 'aff'):
        raise ValueError(
            f'--methods: unknown {name!r}; methods: config, acr, {", ".join(methods)}, each also '
            f'with +aff'
        )
    return dict(cam=methods[base], refine=bool(plus))


def metric_of(config, dataset):
    """The CAM metric of the config, at thresholds up to 0.99 if it has none."""
    evaluators = config.get('test_evaluator') or []
    evaluators = evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]
    found = [dict(entry) for entry in evaluators if entry['type'].endswith('CAMMetric')]
    settings = (
        found[0]
        if found
        else dict(type='mmwsss.CAMMetric', thresholds=[step / 100 for step in range(100)])
    )
    metric = METRICS.build(dict(settings, out_file=None))
    metric.dataset_meta = dataset.metainfo
    return metric


def measure(model, loader, metric, pictures, num_pictures, name, console):
    """Predict all images with one method.

    Args:
        pictures (dict): ``{(image, class): row}`` of :func:`draw_cam_grid`; the maps of this method
            are added.
        num_pictures (int): Rows that are collected.

    Returns:
        dict: Quality in percent, threshold, images per second of the network alone, MiB above what
            was in use before.
    """
    device = next(model.parameters()).device
    seconds, before = 0.0, reset_peak_memory(device)
    for data in track(loader, description=name, console=console, transient=True):
        began = time.perf_counter()
        with torch.no_grad():
            (sample,) = model.test_step(data)
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        seconds += time.perf_counter() - began
        metric.process(None, [sample.to_dict()])
        collect(sample, metric.classes, pictures, num_pictures, name)
    peak = peak_memory(device) - before
    scores = metric.summarize(len(loader.dataset))
    prefix = f'{metric.prefix}/' if metric.prefix else ''
    return dict(
        mIoU=scores[f'{prefix}mIoU'],
        FP=scores[f'{prefix}FP'],
        FN=scores[f'{prefix}FN'],
        threshold=scores[f'{prefix}best_threshold'],
        images_per_s=len(loader.dataset) / seconds,
        MiB=peak / 2**20,
    )


def collect(sample, classes, pictures, num_pictures, name):
    """Add the maps of a sample to rows of the picture, and new rows while there is room."""
    for key, cam in zip(sample.cam_keys, sample.pred_cams.data.cpu().numpy()):
        place = (sample.img_path, key)
        if place not in pictures and len(pictures) < num_pictures:
            pictures[place] = dict(
                id=f'{sample.img_id}: {classes[key + 1]}',
                image=read_rgb(sample.img_path, raw=sample.metainfo.get('raw_pixels', False)),
                gt=sample.gt_sem_seg.data[0].cpu().numpy(),
                cams=[],
            )
        if place in pictures:
            pictures[place]['cams'].append((name, cam))


if __name__ == '__main__':
    sys.exit(run_main(main))
