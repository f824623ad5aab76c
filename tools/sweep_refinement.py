"""Compare settings of a refiner on images with masks, all of them in one pass over the files; a
rerun continues where an interrupted one stopped.

    python tools/sweep_refinement.py --method psa --cams cams --images JPEGImages \\
        --gt SegmentationClassAug --list train.txt --out work_dirs/sweep \\
        --config configs/psa_voc.py --checkpoint psa.pth \\
        --values background=0.2:0.6:0.05 beta=4,8,16 log2_steps=4,5,6,8

metrics.json holds the best setting as best/<option>, table.csv all of them. method labels compares
the labels that PSA is trained on (make_affinity_labels.py): pixels without a label count as missed.
"""

import argparse
import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction, positive_integer
from mmwsss.utils.processes import Processes, add_launcher_argument, joined_processes

if TYPE_CHECKING:
    from mmwsss.apis.mask_sweep import MaskSweep, SweepResult

METHODS = ('threshold', 'crf', 'psa', 'irn', 'labels')
MOST_SHOWN = 10
VOC_CLASSES = 21


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--method', choices=METHODS, required=True)
    parser.add_argument(
        '--values',
        nargs='+',
        required=True,
        metavar='OPTION=V,V',
        help='values of an option: numbers, START:STOP:STEP, alpha:A, or presets of the dense CRF '
        '(psa, irn: a CRF on the scores of the walk); every combination is compared',
    )
    parser.add_argument(
        '--cams', type=Path, required=True, metavar='D', help='folder of CAM files <id>.npz'
    )
    parser.add_argument(
        '--images', type=Path, required=True, metavar='D', help='folder of the images'
    )
    parser.add_argument(
        '--gt', type=Path, required=True, metavar='D', help='folder of ground-truth masks <id>.png'
    )
    parser.add_argument(
        '--list', type=Path, required=True, metavar='F', help='image ids, one per line'
    )
    parser.add_argument(
        '--num', type=positive_integer, metavar='N', help='only N images, spread over the list'
    )
    parser.add_argument(
        '--out', type=Path, required=True, metavar='D', help='folder of the results'
    )
    parser.add_argument(
        '--raw-pixels',
        action='store_true',
        help='ignore the EXIF orientation of images (VOC, SBD, COCO: their annotations do)',
    )
    parser.add_argument(
        '--classes', type=Path, metavar='F', help='class names (default: PASCAL VOC)'
    )
    parser.add_argument('--config', type=Path, metavar='F', help='psa, irn: config of the network')
    parser.add_argument('--checkpoint', type=Path, metavar='F', help='psa, irn: its weights')
    parser.add_argument('--device', help='device of the network (default: the GPU, if available)')
    parser.add_argument(
        '--workers',
        type=int,
        help='worker processes of a method without a network; 0: none (default: cores)',
    )
    add_launcher_argument(parser)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with joined_processes(args.launcher) as processes:
        run(args, processes)


def run(args: argparse.Namespace, processes: Processes) -> None:
    """Check everything, count, and let the first process say what is best."""
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis.mask_sweep import ImageCounter, parse_values
    from mmwsss.datasets.class_names import load_class_names
    from mmwsss.utils.file_jobs import write_files
    from mmwsss.utils.locks import lock_folders

    args.device = processes.device(args.device)
    values = parse_values(args.values, args.method)
    entries = find_entries(args)
    num_classes = len(load_class_names(str(args.classes))) if args.classes else VOC_CLASSES
    counts = args.out / 'counts'
    with lock_folders(args.out, tool='sweep_refinement.py'):
        sweep = make_sweep(args, values, num_classes)
        write_files(
            lambda: ImageCounter(counts, sweep, args.raw_pixels),
            entries,
            counts,
            suffix='.npz',
            settings=dict(method=args.method, values=values, **network_settings(args)),
            processes=processes,
            workers=0 if sweep.network else args.workers,
            title=f'{len(sweep.settings)} settings of {args.method}',
        )
        if processes.is_first:
            report(args, sweep, entries)


def find_entries(args: argparse.Namespace) -> list[tuple[str, Path, Path, Path]]:
    """Image id, CAM file, image and ground truth; whatever is missing is named before anything
    runs.
    """
    from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, find_files
    from mmwsss.utils.io import read_id_list

    ids = read_id_list(args.list)
    if args.num is not None:
        ids = [ids[index * len(ids) // args.num] for index in range(min(args.num, len(ids)))]
    cams = find_files(
        args.cams, ids, ('.npz',), what='CAM file', hint='Write them with tools/generate_cams.py'
    )
    images = find_files(args.images, ids, IMAGE_SUFFIXES, what='image')
    masks = find_files(
        args.gt,
        ids,
        ('.png',),
        what='ground-truth mask',
        hint='A sweep needs the masks of its images; without any, use the published settings',
    )
    return list(zip(ids, cams, images, masks))


def make_sweep(
    args: argparse.Namespace, values: dict[str, list[Any]], num_classes: int
) -> 'MaskSweep':
    """The sweep with its network, if the method has one."""
    from mmwsss.apis import load_config
    from mmwsss.apis.mask_sweep import NETWORKS, MaskSweep
    from mmwsss.apis.refine import build_refiner

    network = None
    if args.method in NETWORKS:
        config = args.config and load_config(args.config, cfg_options=args.cfg_options)
        network = build_refiner(
            dict(type=args.method),
            config=config,
            checkpoint=args.checkpoint,
            device=args.device,
        ).network
    return MaskSweep(args.method, values, num_classes, network)


def network_settings(args: argparse.Namespace) -> dict[str, str]:
    """Settings that distinguish one network from another."""
    from mmwsss.apis.config import read_config
    from mmwsss.utils.fingerprint import digest_settings, fingerprint_checkpoint

    if args.config is None or args.checkpoint is None:
        return {}
    return dict(
        checkpoint=fingerprint_checkpoint(args.checkpoint),
        model=digest_settings(read_config(args.config).model),
    )


def report(args: argparse.Namespace, sweep: 'MaskSweep', entries: list[Any]) -> None:
    """Add up the counts of all images, write the files and print the best settings."""
    import numpy as np
    import torch

    from mmwsss.apis.mask_sweep import SweepResult, format_value
    from mmwsss.utils.io import atomic_open, write_json
    from mmwsss.utils.names import output_path

    total = 0
    for name, *_ in entries:
        with np.load(output_path(args.out / 'counts', name, '.npz'), allow_pickle=False) as file:
            total = total + file['counts']
    result = SweepResult(sweep.settings, torch.as_tensor(total))
    rows = [
        [*(format_value(value) for value in setting.values()), round(miou, 4)]
        for setting, miou in zip(result.settings, result.miou)
    ]
    header = [*sweep.values, 'mIoU']
    with atomic_open(args.out / 'table.csv', 'w', encoding='utf-8', newline='') as file:
        csv.writer(file).writerows([header, *rows])
    best = result.settings[result.best]
    content = {f'best/{name}': format_value(value) for name, value in best.items()}
    protocol = dict(
        split=args.list.stem,
        images=len(entries),
        settings=len(rows),
        mean='present',
        method=args.method,
    )
    write_json(
        args.out / 'metrics.json',
        {'sweep/mIoU': result.miou[result.best], **content, 'protocol': protocol},
    )
    tell(args, sweep, result, header, rows)


def tell(
    args: argparse.Namespace,
    sweep: 'MaskSweep',
    result: 'SweepResult',
    header: list[str],
    rows: list[list[Any]],
) -> None:
    """Print the best settings, and whether they lie at the edge of what was compared."""
    from mmwsss.utils.tables import text_table

    ranked = sorted(rows, key=lambda row: -row[-1])[:MOST_SHOWN]
    title = f'{args.out}: best of {len(rows)} settings of {args.method}'
    print(text_table(header, [[*map(str, row[:-1]), f'{row[-1]:.2f}'] for row in ranked], title))
    for name in result.at_the_edge(sweep.values):
        sys.stderr.write(
            f'note: the best {name} is the first or last that was compared; a better one may lie '
            f'beyond\n'
        )


if __name__ == '__main__':
    sys.exit(run_main(main))
