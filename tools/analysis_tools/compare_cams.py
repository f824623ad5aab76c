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
from typing import NamedTuple

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
from mmwsss.utils.processes import Processes, add_launcher_argument, joined_processes
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
    config = load_config(args.config, cfg_options=args.cfg_options)
    # the config may import CAM methods of its own
    methods = {name: method_of(name) for name in dict.fromkeys(args.methods)}
    device = args.device or processes.device(torch.cuda.device_count())
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


class Cost(NamedTuple):
    """What the images of one process took.

    Attributes:
        seconds: Of the network alone.
        num_images: Images.
        memory: MiB above what was in use before.
    """

    seconds: float
    num_images: int
    memory: float


def predict(model, images, metric, pictures, num_pictures, name, console):
    """Predict images with one method and count them.

    Args:
        images (Iterable): Pairs of the number of an image and its batch.
        pictures (dict): ``{(number, class): row}`` of :func:`draw_cam_grid`; the maps of this
            method are added.
        num_pictures (int): Rows that are collected.

    Returns:
        Cost
    """
    device = next(model.parameters()).device
    seconds, num_images, before = 0.0, 0, reset_peak_memory(device)
    for number, data in track(images, description=name, console=console, transient=True):
        began = time.perf_counter()
        with torch.no_grad():
            (sample,) = model.test_step(data)
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        seconds += time.perf_counter() - began
        num_images += 1
        metric.process(None, [sample.to_dict()])
        collect(sample, number, metric.classes, pictures, num_pictures, name)
    return Cost(seconds, num_images, (peak_memory(device) - before) / 2**20)


def summarize(metric, num_images, costs):
    """Quality in percent, threshold, images per second of all processes, MiB of the largest."""
    scores = metric.summarize(num_images)
    prefix = f'{metric.prefix}/' if metric.prefix else ''
    return dict(
        mIoU=scores[f'{prefix}mIoU'],
        FP=scores[f'{prefix}FP'],
        FN=scores[f'{prefix}FN'],
        threshold=scores[f'{prefix}best_threshold'],
        images_per_s=sum(cost.num_images / cost.seconds for cost in costs if cost.num_images),
        MiB=max(cost.memory for cost in costs),
    )


def collect(sample, number, classes, pictures, num_pictures, name):
    """Add the maps of a sample to rows of the picture, and new rows while there is room."""
    for key, cam in zip(sample.cam_keys, sample.pred_cams.data.cpu().numpy()):
        place = (number, int(key))
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
