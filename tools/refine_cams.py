"""CAM files to pseudo masks; a rerun continues where an interrupted one stopped."""

import argparse
import os
import sys
from pathlib import Path

import torch
from rich.progress import track

from mmwsss.apis import init_model
from mmwsss.apis.config import read_config
from mmwsss.apis.refine import MaskMaker
from mmwsss.datasets.class_names import load_class_names
from mmwsss.models.refiners.dense_crf import PRESETS
from mmwsss.utils.cli import run_main
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, find_files, list_image_ids
from mmwsss.utils.fingerprint import digest_settings, fingerprint, fingerprint_checkpoint
from mmwsss.utils.io import read_id_list
from mmwsss.utils.locks import lock_folders
from mmwsss.utils.names import output_path
from mmwsss.utils.output_folder import claim_output_folder, is_finished
from mmwsss.utils.pool import bounded_map

# of the methods' released code
BACKGROUNDS = dict(threshold=0.4, crf=0.4, par=None, psa=0.39, irn=0.25)
NETWORKS = dict(psa='AffinityNet', irn='IRNet')


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--cams', type=Path, required=True, metavar='D', help='folder of CAM files <id>.npz'
    )
    parser.add_argument(
        '--images', type=Path, required=True, metavar='D', help='folder of the images'
    )
    parser.add_argument(
        '--out', type=Path, required=True, metavar='D', help='folder of the masks <id>.png'
    )
    parser.add_argument(
        '--list', type=Path, metavar='F', help='image ids, one a line (default: every CAM file)'
    )
    parser.add_argument(
        '--raw-pixels',
        action='store_true',
        help='ignore the EXIF orientation of images (VOC, SBD, COCO: their annotations do)',
    )
    parser.add_argument('--method', choices=tuple(BACKGROUNDS), required=True)
    parser.add_argument(
        '--background',
        type=background,
        metavar='T|alpha:A',
        help='score of the background in [0,1], or alpha:A for (1 - max cam)^A; not for par',
    )
    parser.add_argument(
        '--unsure',
        type=float,
        default=0.0,
        metavar='D',
        help='threshold, crf: pixels whose label differs between background scores T-D and T+D '
        'become 255',
    )
    parser.add_argument(
        '--preset',
        choices=tuple(PRESETS),
        default='psa',
        help='crf, --then-crf: parameters (default %(default)s)',
    )
    parser.add_argument(
        '--rule',
        choices=('two_pass', 'eq16'),
        default='two_pass',
        help='par: label rule (default %(default)s)',
    )
    parser.add_argument(
        '--high',
        type=float,
        default=0.7,
        help='par: labels above it are sure (default %(default)s)',
    )
    parser.add_argument(
        '--low',
        type=float,
        default=0.25,
        help='par: background below it is sure (default %(default)s)',
    )
    parser.add_argument(
        '--config', type=Path, metavar='F', help='psa, irn: config of the affinity network'
    )
    parser.add_argument(
        '--checkpoint', type=Path, metavar='F', help='psa, irn: its trained weights'
    )
    parser.add_argument('--beta', type=float, help='psa, irn: exponent of the affinities')
    parser.add_argument(
        '--then-crf', action='store_true', help='psa, irn: dense CRF on the scores of the walk'
    )
    parser.add_argument(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='psa, irn (default %(default)s)',
    )
    parser.add_argument(
        '--classes',
        type=Path,
        metavar='F',
        help='class names, background first: class ids are checked against it',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count(),
        help='processes of threshold, crf and par; 0: none (default: cores)',
    )
    return parser.parse_args(argv)


def background(text):
    """``0.4`` or ``alpha:12``."""
    return ('alpha', float(text[6:])) if text.startswith('alpha:') else float(text)


def main():
    args = parse_args()
    walks = args.method in ('psa', 'irn')
    if walks and (args.config is None or args.checkpoint is None):
        raise ValueError(
            f'--method {args.method} needs --config and --checkpoint of a trained affinity network'
        )
    if args.then_crf and not walks:
        raise ValueError(f'--then-crf is for --method psa and irn, not {args.method}')
    if args.unsure and (
        args.method not in ('threshold', 'crf') or isinstance(args.background, tuple)
    ):
        raise ValueError('--unsure is for --method threshold and crf with a constant --background')
    if not args.cams.is_dir():
        raise FileNotFoundError(
            f'{args.cams}: folder of CAM files not found; write it with tools/generate_cams.py'
        )
    ids = (
        read_id_list(args.list)
        if args.list
        else list_image_ids(
            args.cams,
            ('.npz',),
            what='CAM file <id>.npz',
            hint='Write them with tools/generate_cams.py',
        )
    )
    # everything that is missing is named before anything runs
    cams = find_files(
        args.cams, ids, ('.npz',), what='CAM file', hint='Write them with tools/generate_cams.py'
    )
    images = find_files(args.images, ids, IMAGE_SUFFIXES, what='image')
    maker = MaskMaker(
        args.out,
        args.method,
        background=BACKGROUNDS[args.method] if args.background is None else args.background,
        unsure=args.unsure,
        crf=dict(preset=args.preset),
        par_rule=args.rule,
        high=args.high,
        low=args.low,
        raw_pixels=args.raw_pixels,
        num_classes=None if args.classes is None else len(load_class_names(str(args.classes))) - 1,
        walk={} if args.beta is None else dict(beta=args.beta),
        then_crf=args.then_crf,
    )
    with lock_folders(args.out, tool='refine_cams.py'):
        _refine(args, maker, ids, cams, images)


def _refine(
    args: argparse.Namespace, maker: MaskMaker, ids: list[str], cams: list[str], images: list[str]
) -> None:
    walks = args.method in NETWORKS
    claim_output_folder(
        args.out,
        dict(
            method=args.method,
            background=maker.background,
            unsure=args.unsure,
            then_crf=args.then_crf,
            preset=args.preset if args.method == 'crf' or args.then_crf else None,
            par=[args.rule, args.high, args.low] if args.method == 'par' else None,
            walk=maker.walk,
            checkpoint=fingerprint_checkpoint(args.checkpoint) if walks else None,
            model=digest_settings(read_config(args.config).model) if walks else None,
        ),
        inputs={
            img_id: f'{fingerprint(cam)} {fingerprint(image)}'
            for img_id, cam, image in zip(ids, cams, images)
        },
        output=lambda img_id: output_path(args.out, img_id, '.png'),
    )
    jobs = [
        (img_id, cam, image)
        for img_id, cam, image in zip(ids, cams, images)
        if not is_finished(output_path(args.out, img_id, '.png'))
    ]
    if walks and jobs:
        maker.model = init_model(args.config, args.checkpoint, args.device)
        found = type(maker.model).__name__
        if found != NETWORKS[args.method]:
            raise ValueError(
                f'{args.config}: --method {args.method} needs an {NETWORKS[args.method]}, this is '
                f'a {found}'
            )
    workers = 0 if walks or len(jobs) < 2 else args.workers
    for _ in track(
        bounded_map(maker, jobs, workers, name=lambda job: job[0]),
        total=len(jobs),
        description=f'masks by {args.method}',
    ):
        pass
    print(f'{args.out}: {len(ids)} masks ({len(ids) - len(jobs)} were there)')


if __name__ == '__main__':
    sys.exit(run_main(main))
