"""Compute the labels of affinity networks from CAM files; a rerun continues where an interrupted
one stopped.

    python tools/make_affinity_labels.py --cams cams --images JPEGImages \\
        --out affinity_labels --method psa
    python tools/train.py configs/psa_voc.py \\
        --cfg-options train_dataloader.dataset.data_prefix.affinity_path=affinity_labels
"""

import argparse
import sys
from pathlib import Path

from mmwsss.apis.photo_options import add_photo_arguments, photo_options
from mmwsss.utils.cam_lookup import find_cam_files
from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import choice_of
from mmwsss.utils.file_jobs import write_files
from mmwsss.utils.locks import lock_folders
from mmwsss.utils.processes import Processes, add_launcher_argument, joined_processes
from mmwsss.utils.tool_options import add_cam_arguments

OPTIONS = dict(psa=('low_alpha', 'high_alpha'), irn=('foreground', 'background'))


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_cam_arguments(parser, results='CRF maps <id>.npz (psa) or labels <id>.png (irn)')
    add_photo_arguments(parser)
    parser.add_argument('--method', choices=tuple(OPTIONS), required=True)
    parser.add_argument(
        '--low-alpha',
        type=float,
        metavar='A',
        help='psa: exponent of the strong background (default 1)',
    )
    parser.add_argument(
        '--high-alpha',
        type=float,
        metavar='A',
        help='psa: exponent of the weak background (default 12)',
    )
    parser.add_argument(
        '--foreground',
        type=float,
        metavar='T',
        help='irn: CAMs above it are sure to be a class (default 0.3)',
    )
    parser.add_argument(
        '--background',
        type=float,
        metavar='T',
        help='irn: CAMs below it are sure to be background (default 0.05)',
    )
    parser.add_argument(
        '--preset',
        type=choice_of('mmwsss.models.refiners.dense_crf', 'PRESETS'),
        help='parameters of the dense CRF (default: the name of the method)',
    )
    parser.add_argument(
        '--backend',
        choices=('auto', 'pydensecrf', 'torch'),
        default='auto',
        help='of the dense CRF (default %(default)s)',
    )
    parser.add_argument(
        '--classes',
        type=Path,
        metavar='F',
        help='class names, background first: class ids are checked against it',
    )
    parser.add_argument('--workers', type=int, help='worker processes; 0: none (default: cores)')
    add_launcher_argument(parser)
    args = parser.parse_args(argv)
    other = OPTIONS['irn' if args.method == 'psa' else 'psa']
    misplaced = [f'--{name.replace("_", "-")}' for name in other if getattr(args, name) is not None]
    if misplaced:
        parser.error(f'{" and ".join(misplaced)} does not go with --method {args.method}')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with joined_processes(args.launcher) as processes:
        run(args, processes)


def run(args: argparse.Namespace, processes: Processes) -> None:
    """Check everything, then write the files."""
    from mmwsss.apis.affinity_labels import AffinityLabelMaker
    from mmwsss.datasets.class_names import load_class_names

    # everything that is missing is named before anything runs
    ids, cams, images = find_cam_files(args.cams, args.images, args.list)
    if args.out.resolve() == args.cams.resolve():
        raise ValueError(f'{args.out}: --out is the folder of the CAM files; choose another')
    given = {
        name: getattr(args, name)
        for name in OPTIONS[args.method]
        if getattr(args, name) is not None
    }
    maker = AffinityLabelMaker(
        args.out,
        args.method,
        crf=dict(preset=args.preset or args.method, backend=args.backend),
        raw_pixels=args.raw_pixels,
        reading=photo_options(args),
        num_classes=None if args.classes is None else len(load_class_names(str(args.classes))) - 1,
        **given,
    )
    settings = dict(
        method=args.method,
        preset=maker.crf['preset'],
        **{name: float(getattr(maker, name)) for name in OPTIONS[args.method]},
        **maker.reading,
        **(dict(raw_pixels=True) if maker.raw_pixels else {}),
    )
    with lock_folders(args.out, tool='make_affinity_labels.py'):
        before = write_files(
            lambda: maker,
            list(zip(ids, cams, images)),
            args.out,
            suffix=maker.suffix,
            settings=settings,
            processes=processes,
            workers=args.workers,
            title=f'labels for {args.method}',
        )
        if processes.is_first:
            print(f'{args.out}: {len(ids)} files ({before} were there)')


if __name__ == '__main__':
    sys.exit(run_main(main))
