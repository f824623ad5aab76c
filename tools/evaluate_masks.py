"""Compute the mIoU of mask files, or the background threshold sweep of CAM files, against
ground-truth masks.

    python tools/evaluate_masks.py --gt SegmentationClassAug --list train.txt \\
        --masks pseudo_masks --json metrics.json
    python tools/evaluate_masks.py --gt SegmentationClassAug --list train.txt --cams cams \\
        --json metrics.json
"""

import argparse
import math
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import choice_of
from mmwsss.utils.io import read_cam, read_id_list, read_mask
from mmwsss.utils.limits import read_text
from mmwsss.utils.names import check_name
from mmwsss.utils.pool import bounded_map, forked_map
from mmwsss.utils.processes import Processes, add_launcher_argument, joined_processes

if TYPE_CHECKING:
    from mmwsss.evaluation.counter_metric import CounterMetric

CHUNK = 16  # images per task: few enough for a smooth bar, many enough to forget the cost of a task
MOST_NAMED = 20
MOST_SAMPLED = 64  # masks that are looked at for black and white


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--gt', type=Path, required=True, help='folder of ground-truth masks <id>.png'
    )
    parser.add_argument('--list', type=Path, required=True, help='image ids, one per line')
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--masks', type=Path, help='folder of masks <id>.png')
    source.add_argument('--cams', type=Path, help='folder of CAM files <id>.npz')
    parser.add_argument(
        '--json', type=Path, help='file for results, protocol and, for CAMs, the whole curve'
    )
    classes = parser.add_mutually_exclusive_group()
    classes.add_argument(
        '--classes',
        type=Path,
        help='class names, one per line; background is put first (default: PASCAL VOC)',
    )
    classes.add_argument('--num-classes', type=int, help='number of classes with background')
    parser.add_argument(
        '--thresholds',
        nargs='+',
        metavar='T',
        help='for --cams: numbers or START:STOP:STEP (default 0:0.6:0.01)',
    )
    parser.add_argument('--rule', help='for --cams: best (default), greedy, or a threshold')
    parser.add_argument(
        '--mean',
        type=choice_of('mmwsss.functional.confusion', 'MEANS'),
        help='classes that the mean is over (default: all for CAMs, present for masks)',
    )
    parser.add_argument(
        '--rates',
        type=choice_of('mmwsss.functional.confusion', 'RATES'),
        help='definition of FP and FN (default mctformer)',
    )
    parser.add_argument(
        '--map-ignore-to',
        choices=('background', 'drop'),
        help='for --masks: meaning of 255 in predictions (default background)',
    )
    parser.add_argument(
        '--protocol',
        metavar='NAME',
        help='evaluate as a paper did, e.g. mctformer-plus-voc-train-cam or '
        'mctformer-voc-train-mask: thresholds, rule, mean '
        'and rates; docs/user_guides/protocols.md',
    )
    parser.add_argument(
        '--white',
        metavar='CLASS',
        help='meaning of 255 in the ground truth: a class, as in black-and-white masks of one '
        'object; or ignore (default, with a question where nothing else could be the object)',
    )
    parser.add_argument('--workers', type=int, help='worker processes (default: one per core)')
    add_launcher_argument(parser)
    args = parser.parse_args(argv)
    if args.protocol is not None and any(
        (args.thresholds, args.rule, args.mean, args.rates, args.map_ignore_to)
    ):
        parser.error(
            '--protocol sets thresholds, rule, mean, rates and the meaning of 255 in predictions'
        )
    for name, needed, given in (
        ('thresholds', 'cams', args.cams),
        ('rule', 'cams', args.cams),
        ('map_ignore_to', 'masks', args.masks),
    ):
        if getattr(args, name) is not None and given is None:
            parser.error(f'--{name.replace("_", "-")} goes with --{needed}')
    return args


def parse_thresholds(words):
    """Numbers and START:STOP:STEP ranges -> list of floats, None for None."""
    if words is None:
        return None
    thresholds = []
    for word in words:
        try:
            numbers = [float(part) for part in word.split(':')]
        except ValueError as error:
            raise ValueError(
                f'--thresholds: {word!r} is neither a number nor START:STOP:STEP'
            ) from error
        if len(numbers) == 1:
            thresholds += numbers
        elif len(numbers) == 3 and numbers[2] > 0:
            start, stop, step = numbers
            count = math.ceil((stop - start) / step - 1e-6)
            thresholds += [round(start + index * step, 10) for index in range(count)]
        else:
            raise ValueError(
                f'--thresholds: {word!r} is neither a number nor START:STOP:STEP with STEP > 0'
            )
    return thresholds


def parse_rule(word):
    """``'best'``, ``'greedy'`` or a float."""
    if word in (None, 'best', 'greedy'):
        return word or 'best'
    try:
        return float(word)
    except ValueError as error:
        raise ValueError(f'--rule: {word!r} is neither best, greedy nor a number') from error


def class_names(args):
    """Class names, background first."""
    if args.classes is not None:
        lines = read_text(args.classes, 'class list').splitlines()
        names = [
            'background',
            *(line.strip() for line in lines if line.strip() not in ('', 'background')),
        ]
        if not 2 <= len(set(names)) == len(names):
            raise ValueError(f'{args.classes}: expected different class names, one per line')
        for name in names:
            check_name(name, 'class', origin=args.classes)
        return names
    if args.num_classes is not None:
        if not 2 <= args.num_classes <= 255:
            raise ValueError(
                f'--num-classes counts background too and is in 2..255, got {args.num_classes}'
            )
        return ['background', *(f'class {index}' for index in range(1, args.num_classes))]
    from mmseg.utils import get_classes  # after mmwsss, which checks the installation

    return get_classes('voc')


def check_files(folders, ids):
    """Name missing folders and files before anything runs.

    Raises:
        FileNotFoundError: Up to 20 of the missing files.
    """
    for folder, _ in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f'{folder}: no such folder')
    paths = [folder / f'{name}{suffix}' for name in ids for folder, suffix in folders]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        more = f' and {len(missing) - MOST_NAMED} more' if len(missing) > MOST_NAMED else ''
        raise FileNotFoundError(
            f'{len(missing)} of {len(paths)} files are missing: '
            f'{", ".join(missing[:MOST_NAMED])}{more}'
        )


def white_label(args, names: list[str], ids: list[str]) -> int:
    """Label of the pixels that are 255 in the ground truth.

    Raises:
        ValueError: An unknown class; or masks of one class in black and white without an answer to
            what white is.
    """
    if args.white not in (None, 'ignore'):
        if args.white not in names:
            raise ValueError(
                f'--white {args.white}: not a class; choose from ignore, {", ".join(names[1:])}'
            )
        return names.index(args.white)
    if args.white is None and len(names) == 2 and args.protocol is None:
        step = max(1, len(ids) // MOST_SAMPLED)
        masks = [read_mask(args.gt / f'{name}.png') for name in ids[::step]]
        found = set(np.unique(np.concatenate([mask.ravel() for mask in masks])).tolist())
        if found == {0, 255}:
            raise ValueError(
                f'{args.gt}: these masks are black and white (0 and 255), and 255 means "ignore": '
                f'every {names[1]} would be left out. Give --white {names[1]} if white is the '
                f'object, or --white ignore'
            )
    return 255


def read_label(path: Path, num_classes: int, white: int) -> np.ndarray:
    """Ground truth (H,W) uint8, in which 255 becomes ``white``."""
    label = read_mask(path, num_classes)
    return label if white == 255 else np.where(label == 255, np.uint8(white), label)


def read_cam_sample(gt, cams, num_classes, white, name):
    """Sample of a CAM file."""
    import torch

    path = cams / f'{name}.npz'
    file = read_cam(path)
    label = read_label(gt / f'{name}.png', num_classes, white)
    if label.shape != file.size:
        raise ValueError(
            f'{path}: CAMs are {file.size[1]}x{file.size[0]} (width x height), '
            f'the mask is {label.shape[1]}x{label.shape[0]}'
        )
    return {
        'img_path': str(path),
        'pred_cams': {'data': torch.from_numpy(file.cam)},
        'cam_keys': tuple(file.keys.tolist()),
        'gt_sem_seg': {'data': torch.from_numpy(label)[None]},
    }


def read_mask_sample(gt, masks, num_classes, white, name):
    """Sample of a mask file."""
    import torch

    path = masks / f'{name}.png'
    label = read_label(gt / f'{name}.png', num_classes, white)
    mask = read_mask(path, num_classes, label.shape)
    return {
        'img_path': str(path),
        'pred_sem_seg': {'data': torch.from_numpy(mask)[None]},
        'gt_sem_seg': {'data': torch.from_numpy(label)[None]},
    }


def count_images(make_metric, read_sample, names):
    """Counters of some images, as an array that is cheap to send between processes."""
    metric = make_metric()
    for name in names:
        metric.process(None, [read_sample(name)])
    return metric.counters.numpy()


def protocol_options(name, task):
    """Options of a metric for a protocol of ``'cam'`` or ``'mask'`` files."""
    from mmwsss.evaluation.protocols import TASKS, find_protocol, metric_options

    if find_protocol(name).task != task:
        raise ValueError(
            f'--protocol {name} is one of {TASKS[find_protocol(name).task]}, these files are '
            f'{TASKS[task]}'
        )
    return metric_options(name)


def make_cam_metric(meta, out_file, options):
    from mmwsss.evaluation import CAMMetric

    metric = CAMMetric(**options, out_file=out_file)
    metric.dataset_meta = meta
    return metric


def make_mask_metric(meta, out_file, options):
    from mmwsss.evaluation import SegMetric

    metric = SegMetric(**options, out_file=out_file, prefix='mask')
    metric.dataset_meta = meta
    return metric


@contextmanager
def progress_bar(total):
    """Bar on stderr; gives a function that advances it by a number of images."""
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as progress:
        yield partial(progress.advance, progress.add_task('images', total=total))


def count_all(metric, count, ids, workers, processes):
    """Add the counters of all images to the metric, chunk by chunk, in one or several processes."""
    import torch

    torch.set_num_threads(1)  # images are too small for several threads to pay
    chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
    if processes.size > 1:  # its connections have threads, which a fork does not survive
        counters = bounded_map(count, chunks, workers if min(workers, len(chunks)) > 1 else 0)
    else:
        counters = forked_map(count, chunks, workers)
    with progress_bar(len(ids)) as advance:
        for chunk, counted in zip(chunks, counters):
            metric.merge(counted)
            advance(len(chunk))


def main(argv=None):
    args = parse_args(argv)
    with joined_processes(args.launcher) as processes:
        run(args, processes)


def run(args: argparse.Namespace, processes: Processes) -> None:
    """Count the images of this process, add up those of all, and say what came out."""
    names = class_names(args)
    ids = read_id_list(args.list)
    meta = {'classes': tuple(names), 'split': args.list.stem}
    if args.cams is not None:
        check_files(((args.gt, '.png'), (args.cams, '.npz')), ids)
        options = (
            protocol_options(args.protocol, 'cam')
            if args.protocol
            else dict(
                thresholds=parse_thresholds(args.thresholds),
                rule=parse_rule(args.rule),
                mean=args.mean or 'all',
                rates=args.rates or 'mctformer',
            )
        )
        make_metric = partial(make_cam_metric, meta, args.json, options)
        white = white_label(args, names, ids)
        read_sample = partial(read_cam_sample, args.gt, args.cams, len(names), white)
    else:
        check_files(((args.gt, '.png'), (args.masks, '.png')), ids)
        options = (
            protocol_options(args.protocol, 'mask')
            if args.protocol
            else dict(
                ignored_prediction=args.map_ignore_to or 'background',
                mean=args.mean or 'present',
                rates=args.rates or 'mctformer',
            )
        )
        make_metric = partial(make_mask_metric, meta, args.json, options)
        white = white_label(args, names, ids)
        read_sample = partial(read_mask_sample, args.gt, args.masks, len(names), white)
    metric = make_metric()
    workers = processes.cores if args.workers is None else args.workers
    count = partial(count_images, make_metric, read_sample)
    count_all(metric, count, processes.share(ids), workers, processes)
    results = metric.summarize(len(ids))  # sums over the processes
    if processes.is_first:
        tell(args, metric, results, names)


def tell(
    args: argparse.Namespace, metric: 'CounterMetric', results: dict[str, Any], names: list[str]
) -> None:
    """Print the table, the numbers and what looks wrong."""
    print(metric.table)
    print(
        '\n'.join(
            f'{name}: {value:.2f}' for name, value in results.items() if isinstance(value, float)
        )
    )
    if metric.note and args.white is None:
        sys.stderr.write(f'{metric.note} (--white)\n')
    absent = metric.protocol['absent_classes']
    if absent and args.classes is None and args.num_classes is None:
        sys.stderr.write(
            f'note: {len(absent)} of the {len(names)} PASCAL VOC classes never occur in these '
            f'ground-truth masks; '
            'for another data set give --classes or --num-classes\n'
        )
    if args.json is not None:
        print(f'written: {args.json}')


if __name__ == '__main__':
    sys.exit(run_main(main))
